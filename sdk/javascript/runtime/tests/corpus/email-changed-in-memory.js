function (user, context, callback) {
  user.email = 'changed@example.com';
  user.email_verified = false;
  callback(null, user, context);
}
