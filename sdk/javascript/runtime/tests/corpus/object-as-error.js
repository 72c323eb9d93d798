function (user, context, callback) {
  callback({ message: 'an object', code: 7 });
}
