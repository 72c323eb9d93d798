function (user, context, callback) {
  const methods = context.authentication.methods || [];
  const completed = !!methods.find((method) => method.name === 'mfa');
  if (!completed) {
    context.multifactor = { provider: 'any', allowRememberBrowser: true };
  }
  callback(null, user, context);
}
