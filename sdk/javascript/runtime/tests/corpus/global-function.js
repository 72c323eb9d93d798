function (user, context, callback) {
  global.add = global.add || function (a, b) { return a + b; };
  context.idToken.sum = global.add(2, 3);
  delete global.add;
  callback(null, user, context);
}
