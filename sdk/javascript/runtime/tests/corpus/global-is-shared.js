function (user, context, callback) {
  global.cache = global.cache || { token: 'fresh' };
  global.count = (global.count || 0) + 1;
  context.idToken.token = global.cache.token;
  callback(null, user, context);
}
