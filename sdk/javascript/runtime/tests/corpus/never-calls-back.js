function (user, context, callback) {
  if (context.protocol === 'never') callback(null, user, context);
}
