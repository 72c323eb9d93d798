function (user, context, callback) {
  try {
    user.nothing.at.all = 1;
  } catch (e) {
    context.idToken.caught = e instanceof TypeError && e.name;
  }
  callback(null, user, context);
}
