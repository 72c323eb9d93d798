function (user, context, callback) {
  context.idToken.teams = user.groups;
  context.idToken.plan = user.plan;
  context.idToken.email_is = user.email;
  callback(null, user, context);
}
