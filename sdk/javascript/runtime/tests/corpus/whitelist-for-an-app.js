function userWhitelistForSpecificApp(user, context, callback) {
  if (!user.email || !user.email_verified) {
    return callback(new UnauthorizedError('Access denied.'));
  }
  if (context.clientName !== 'Shop') return callback(null, user, context);
  const whitelist = configuration.WHITELIST.split(';');
  const userHasAccess = whitelist.some((email) => email === user.email);
  if (!userHasAccess) return callback(new UnauthorizedError('Access denied.'));
  callback(null, user, context);
}
