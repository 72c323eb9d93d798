function (user, context, callback) {
  const error = new Error('quota exceeded');
  error.name = 'UnauthorizedUserError';
  error.statusCode = 429;
  callback(error);
}
