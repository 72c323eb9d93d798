async function (user, context, callback) {
  user.user_metadata = user.user_metadata || {};
  user.user_metadata.last_seen_ip = context.request.ip;
  try {
    await auth0.users.updateUserMetadata(user.user_id, user.user_metadata);
    callback(null, user, context);
  } catch (err) {
    callback(err);
  }
}
