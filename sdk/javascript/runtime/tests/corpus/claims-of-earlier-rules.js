function (user, context, callback) {
  delete context.idToken['https://a/1'];
  context.idToken['https://a/2'].x += 1;
  context.accessToken['https://a/3'].push(context.idToken['https://a/2'].x);
  callback(null, user, context);
}
