function (user, context, callback) {
  user.plan = user.plan + '-plus';
  callback(null, user, context);
}
