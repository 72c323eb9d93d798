function (user, context, callback) {
  auth0.users.updateUserMetadata(user.user_id, { visits: context.stats.loginsCount });
  callback(null, user, context);
}
