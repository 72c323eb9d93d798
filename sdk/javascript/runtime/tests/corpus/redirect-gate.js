function redirectToConsentForm(user, context, callback) {
  const consented = user.user_metadata && user.user_metadata.consented;
  if (context.protocol === 'redirect-callback') {
    if (context.request.query.confirm === 'yes') {
      user.user_metadata = Object.assign({}, user.user_metadata, { consented: true });
      return auth0.users.updateUserMetadata(user.user_id, user.user_metadata)
        .then(() => callback(null, user, context))
        .catch((err) => callback(err));
    }
    return callback(new UnauthorizedError('User did not consent!'));
  }
  if (!consented) {
    context.redirect = { url: configuration.FORM };
  }
  callback(null, user, context);
}
