function (user, context, callback) {
  Promise.resolve({ level: 3 })
    .then((found) => {
      context.idToken.level = found.level;
      callback(null, user, context);
      throw new Error('after the first call');
    })
    .catch((err) => callback(err));
}
