function (user, context, callback) {
  require('request')('https://api.example.com/x', function (err, res, body) {
    callback(null, user, JSON.parse(body));
  });
}
