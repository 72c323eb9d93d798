function (user, context, callback) {
  setTimeout(function () {
    context.redirect = { url: 'https://forms.example.com/late' };
    context.multifactor = { provider: 'any' };
    context.accessToken.scope = 'openid admin';
    context.samlConfiguration = { audience: 'late' };
    user.nickname = 'late';
    user.user_metadata.late = true;
    global.late = true;
  }, 1);
  callback(null, user, context);
  context.idToken.late = true;
}
