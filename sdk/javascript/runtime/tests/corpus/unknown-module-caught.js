function (user, context, callback) {
  try {
    require('left-' + 'padding-of-nobody');
  } catch (err) {
    context.idToken.code = err.code;
  }
  callback(null, user, context);
}
