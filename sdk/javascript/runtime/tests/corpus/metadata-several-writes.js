async function (user, context, callback) {
  await auth0.users.updateAppMetadata(user.user_id, { a: 1, b: { x: 1 } });
  await auth0.users.updateAppMetadata(user.user_id, { b: { y: 2 }, plan: undefined });
  await auth0.users.updateUserMetadata(user.user_id, { color: 'red' });
  callback(null, user, context);
}
