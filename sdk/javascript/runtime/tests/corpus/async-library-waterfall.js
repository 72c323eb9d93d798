function (user, context, callback) {
  const async = require('async');
  async.waterfall([
    (next) => require('request').get({ url: 'https://api.example.com/w', json: true }, (e, r, b) => next(e, b && b.v)),
    (value, next) => async.map([1, 2, 3], (n, done) => done(null, n * value), next)
  ], (err, results) => {
    context.idToken.results = results;
    callback(err, user, context);
  });
}
