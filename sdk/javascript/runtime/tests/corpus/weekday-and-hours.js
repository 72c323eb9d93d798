function (user, context, callback) {
  if (context.clientName === 'Shop') {
    const d = new Date();
    const day = d.getUTCDay();
    if (day === 0 || day === 6) {
      return callback(new UnauthorizedError('This app is available during the week'));
    }
    context.idToken.hour = d.getUTCHours();
  }
  callback(null, user, context);
}
