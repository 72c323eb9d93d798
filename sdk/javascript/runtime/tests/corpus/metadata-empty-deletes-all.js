function (user, context, callback) {
  auth0.users.updateAppMetadata(user.user_id, {}).then(() => callback(null, user, context)).catch(callback);
}
