function (user, context, callback) {
  callback(undefined, user, context);
}
