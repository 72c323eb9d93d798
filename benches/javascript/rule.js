// What is measured: it reads the profile, sets two claims and one key of metadata.
function rule(user, context, callback) {
  if (!user.email_verified) {
    return callback(new UnauthorizedError('Please verify your e-mail address first.'));
  }
  context.idToken['https://example.com/plan'] = user.app_metadata.plan;
  context.idToken['https://example.com/client'] = context.clientID;
  auth0.users.updateAppMetadata(user.user_id, { last_client: context.clientID });
  callback(null, user, context);
}
