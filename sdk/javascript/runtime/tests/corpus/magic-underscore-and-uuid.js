function (user, context, callback) {
  user.jti = uuid.v4();
  context.idToken.len = user.jti.length;
  delete user.jti;
  context.idToken.merged = _.merge({ a: { b: 1 } }, xtend({ a: { c: 2 } }, {}));
  callback(null, user, context);
}
