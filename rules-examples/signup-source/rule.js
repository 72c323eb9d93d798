function signupSource(user, context, callback) {
  user.app_metadata = user.app_metadata || {};
  if (user.app_metadata.signup) {
    context.idToken['https://example.com/signup'] = user.app_metadata.signup.app;
    return callback(null, user, context);
  }

  user.app_metadata.signup = {
    app: context.clientName,
    connection: context.connection,
    at: new Date().toISOString()
  };

  auth0.users
    .updateAppMetadata(user.user_id, user.app_metadata)
    .then(() => {
      context.idToken['https://example.com/signup'] = user.app_metadata.signup.app;
      callback(null, user, context);
    })
    .catch((err) => callback(err));
}
