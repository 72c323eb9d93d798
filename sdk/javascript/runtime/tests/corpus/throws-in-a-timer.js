function (user, context, callback) {
  setTimeout(function () {
    throw new Error('late');
  }, 10);
}
