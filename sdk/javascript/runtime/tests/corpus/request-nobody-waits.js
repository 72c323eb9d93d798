function (user, context, callback) {
  callback(null, user, context);
  require('request').post({ url: 'https://hooks.example.com/fire', json: { user: user.email } }, function () {});
}
