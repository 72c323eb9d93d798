function (user, context, callback) {
  user.app_metadata = user.app_metadata || {};
  if (context.stats.loginsCount > 1) return callback(null, user, context);
  user.app_metadata.signed_up = new Date().toISOString();
  auth0.users.updateAppMetadata(user.user_id, user.app_metadata)
    .then(function () {
      callback(null, user, context);
    })
    .catch(function (err) {
      callback(err);
    });
}
