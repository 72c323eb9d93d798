function (user, context, callback) {
  const copy = JSON.parse(JSON.stringify(user));
  copy.locale = 'en';
  callback(null, copy, { ...context, idToken: { ...context.idToken, copied: 1 } });
}
