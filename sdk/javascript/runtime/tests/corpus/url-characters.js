async function (user, context, callback) {
  const request = require('request');
  const axios = require('axios');
  const fetch = require('node-fetch');
  const odd = `{a}|b^c<d>e"f'g h`;
  const plain = (url) => new Promise((resolve, reject) => request.get(url, (error, response, body) => (error ? reject(error) : resolve(body))));
  try {
    context.idToken.seen = [
      await plain('https://api.example.com/users/' + user.user_id),
      await plain({ url: 'https://api.example.com/odd/' + odd + '?q=' + odd, qs: { id: user.user_id } }),
      (await axios.get('https://api.example.com/users/' + user.user_id, { params: { of: user.user_id } })).data,
      (await axios.get('/odd/' + odd, { baseURL: 'https://api.example.com' })).data,
      await (await fetch('https://api.example.com/users/' + user.user_id + "?it's=1")).text(),
      await plain('https://api.example.com/users/' + encodeURIComponent(user.user_id)),
      await plain('https://api.example.com\\back\\slash?a\\b'),
    ];
    callback(null, user, context);
  } catch (error) {
    callback(error);
  }
}
