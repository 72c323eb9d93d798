function (user, context, callback) {
  throw new UnauthorizedError('no entry');
}
