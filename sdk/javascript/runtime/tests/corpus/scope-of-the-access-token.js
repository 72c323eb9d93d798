function (user, context, callback) {
  const roles = (context.authorization || {}).roles || [];
  const requested = context.request.query.scope.split(' ');
  if (roles.includes('admin')) requested.push('delete:items');
  context.accessToken.scope = requested.concat(['read:items']);
  context.accessToken['https://shop.example.com/roles'] = roles;
  callback(null, user, context);
}
