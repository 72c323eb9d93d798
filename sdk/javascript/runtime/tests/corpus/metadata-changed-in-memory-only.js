function (user, context, callback) {
  user.app_metadata.roles.push('guest');
  user.app_metadata.trial = true;
  delete user.app_metadata.plan;
  user.user_metadata = Object.assign({}, user.user_metadata, { color: 'teal' });
  callback(null, user, context);
}
