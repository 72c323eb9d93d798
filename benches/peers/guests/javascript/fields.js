// Reads three fields of the profile, sets two claims, stores one key: as a Rule was written for Auth0.
function fields(user, context, callback) {
  if (!user.email_verified) return callback(new UnauthorizedError("email_not_verified"));
  const plan = user.app_metadata.plan;
  context.idToken["https://example.com/plan"] = plan;
  context.idToken["https://example.com/email"] = user.email;
  auth0.users
    .updateAppMetadata(user.user_id, { last_plan: plan })
    .then(() => callback(null, user, context))
    .catch(callback);
}
