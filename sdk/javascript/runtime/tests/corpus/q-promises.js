function (user, context, callback) {
  const Q = require('q');
  const deferred = Q.defer();
  setTimeout(() => deferred.resolve(6), 1);
  Q.all([deferred.promise, Q(7)]).spread((a, b) => a * b)
    .then((product) => { context.idToken.product = product; callback(null, user, context); })
    .catch(callback)
    .done();
}
