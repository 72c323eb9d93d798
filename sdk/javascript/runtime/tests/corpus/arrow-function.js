(user, context, callback) => {
  const { name, ...rest } = user;
  context.idToken.first = name.split(' ')[0];
  context.idToken.keys = Object.keys(rest).length > 3;
  callback(null, user, context);
}
