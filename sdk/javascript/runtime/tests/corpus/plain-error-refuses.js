function (user, context, callback) {
  callback(new Error(`Logins from ${context.clientName} are closed`));
}
