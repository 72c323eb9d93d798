function (user, context, callback) {
  context.idToken.picture = 'https://cdn.example.com/' + encodeURIComponent(user.nickname) + '.png';
  context.idToken.email_verified = true;
  delete context.idToken.nothing;
  callback(null, user, context);
}
