function (user, context, callback) {
  context.multifactor = { provider: 'none' };
  callback(null, user, context);
}
