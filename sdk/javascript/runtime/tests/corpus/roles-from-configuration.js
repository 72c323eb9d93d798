function (user, context, callback) {
  const { ADMINS, LEVELS } = configuration;
  const admins = ADMINS ? JSON.parse(ADMINS) : [];
  const levels = LEVELS === undefined ? {} : JSON.parse(LEVELS);
  const roles = admins.includes(user.email) ? ['admin'] : ['user'];
  user.app_metadata.roles = roles;
  context.idToken['https://shop.example.com/roles'] = roles;
  context.idToken['https://shop.example.com/level'] = levels[user.app_metadata.plan] || 0;
  callback(null, user, context);
}
