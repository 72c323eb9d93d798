function (user, context, callback) {
  const request = require('request');
  const get = (options, next) => request.get(options, (error, response, body) => (error ? callback(error) : next(body)));
  get({ url: 'https://api.example.com/empty', json: true }, (parsed) =>
    get({ url: 'https://api.example.com/empty' }, (text) => {
      context.idToken.seen = [typeof parsed, parsed || 'nothing', typeof text, text];
      callback(null, user, context);
    }));
}
