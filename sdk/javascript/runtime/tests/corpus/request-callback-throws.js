function (user, context, callback) {
  require('request')('https://api.example.com/x', function (err, res, body) {
    if (body !== 'json') throw new SyntaxError('no json: ' + body);
    callback(null, user, context);
  });
}
