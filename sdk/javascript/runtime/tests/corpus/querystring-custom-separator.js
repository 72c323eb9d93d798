function (user, context, callback) {
  const qs = require('querystring');
  context.idToken.parsed = Object.assign({}, qs.parse(context.request.userAgent, ';'));
  context.idToken.back = qs.stringify({ a: ['x', 'y'], b: 'é&', c: '' });
  callback(null, user, context);
}
