function (user, context, cb) {
  user.nickname = 'seen';
  cb(null);
}
