function (user, context, callback) {
  auth0.users.updateAppMetadata(user.user_id, { plan: null, roles: ['admin'], nested: { a: null } })
    .then(() => callback(null, user, context), callback);
}
