// Refuses users whose e-mail address is not verified, and tells the application the plan of everybody else.
// It runs once for every login; rule.toml says what it may do.
function rule(user, context, callback) {
  if (!user.email_verified) {
    return callback(new UnauthorizedError('Please verify your e-mail address first.'));
  }
  const { plan = 'free' } = user.app_metadata || {};
  context.idToken['https://example.com/plan'] = plan;
  callback(null, user, context);
}
