async function (user, context, callback) {
  const { Auth0UserUpdateUtilities } = require('@auth0/rule-utilities@0.2.0');
  const util = new Auth0UserUpdateUtilities(user, auth0, 'acme');
  util.setAppMeta('score', 7);
  util.setUserMeta('seen', true);
  context.idToken.score = util.getAppMeta('score');
  await util.updateAppMeta();
  await util.updateUserMeta();
  callback(null, user, context);
}
