function disableSocialSignups(user, context, callback) {
  const strategies = ['google-oauth2', 'facebook'];
  const isSocial = strategies.find((s) => s === context.connectionStrategy);
  if (context.stats.loginsCount > 1 || !isSocial) {
    return callback(null, user, context);
  }
  const age = Date.now() - new Date(user.created_at).getTime();
  callback(new Error('Signup disabled ' + (age < 60000)));
}
