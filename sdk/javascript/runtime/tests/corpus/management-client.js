async function (user, context, callback) {
  const { ManagementClient } = require('auth0@2.30.0');
  const management = new ManagementClient({ token: auth0.accessToken, domain: auth0.domain });
  try {
    await management.updateUser({ id: user.user_id }, { app_metadata: { plan: 'platinum' }, user_metadata: { color: null } });
    await management.users.updateAppMetadata({ id: user.user_id }, { checked: true });
    await management.updateUserMetadata({ id: 'auth0|other' }, { x: 1 });
  } catch (err) {
    context.idToken.refused = err.statusCode;
  }
  callback(null, user, context);
}
