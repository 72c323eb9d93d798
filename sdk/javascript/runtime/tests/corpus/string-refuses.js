function (user, context, callback) {
  return callback('not today');
}
