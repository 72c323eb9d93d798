function (user, context, callback) {
  const _ = require('lodash@4.17.19');
  const picked = _.pick(user, ['email', 'plan', 'missing']);
  const identity = _.find(user.identities, { provider: 'auth0' });
  context.idToken.lodash = _.extend({}, picked, {
    city: _.get(context, 'request.geoip.city_name', 'nowhere'),
    none: _.get(context, ['a', 'b'], 'none'),
    connection: identity.connection,
    camel: _.camelCase('hello big world'),
    grouped: _.groupBy([1.2, 1.8, 2.1], Math.floor),
    uniq: _.uniq([1, 1, 2])
  });
  callback(null, user, context);
}
