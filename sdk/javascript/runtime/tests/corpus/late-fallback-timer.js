function (user, context, callback) {
  var risk = 'https://example.com/risk';
  setTimeout(function () {
    context.idToken[risk] = 'unknown';
    delete context.multifactor;
    callback(null, user, context);
  }, 3000);
  require('request')({ url: 'https://risk.example.com/score', json: true }, function (error, response, body) {
    if (error) return callback(error);
    context.idToken[risk] = body.level;
    if (body.level === 'high') context.multifactor = { provider: 'any', allowRememberBrowser: false };
    callback(null, user, context);
  });
}
