function (user, context, callback) {
  context.idToken.seen = true;
  callback();
}
