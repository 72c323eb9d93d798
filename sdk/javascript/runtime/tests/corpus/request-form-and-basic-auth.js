function (user, context, callback) {
  require('request').post('https://api.example.com/token', {
    auth: { user: 'client', pass: 's3cr:t é' },
    form: { grant_type: 'client_credentials', scope: "a b!'()*", list: ['x', 'y'] },
    strictSSL: true
  }, function (err, response, body) {
    if (err || response.statusCode >= 300) return callback(new Error('no token'));
    context.idToken.token = JSON.parse(body).access_token;
    callback(null, user, context);
  });
}
