function (user, context, callback) {
  const other = user.identities[0];
  context.primaryUser = other.provider + '|' + other.user_id;
  context.jwtConfiguration = { lifetimeInSeconds: 3600, scopes: { plan: ['plan'] } };
  callback(null, user, context);
}
