function (user, context, callback) {
  if (context.stats.loginsCount > 1) {
    callback(new UnauthorizedError('first word counts'));
  }
  callback(null, user, context);
}
