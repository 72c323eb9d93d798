async function (user, context, callback) {
  const request = require('request');
  const get = (url) => new Promise((resolve, reject) =>
    request.get({ url, json: true }, (err, res, body) => err ? reject(err) : resolve({ status: res.statusCode, n: body.n })));
  const all = await Promise.all(['https://a.example.com/1', 'https://b.example.com/2', 'https://c.example.com/3'].map(get));
  context.idToken.all = all;
  callback(null, user, context);
}
