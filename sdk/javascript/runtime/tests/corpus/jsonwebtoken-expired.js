function (user, context, callback) {
  const jwt = require('jsonwebtoken');
  try {
    jwt.verify(jwt.sign({ exp: 1 }, 's'), 's');
  } catch (err) {
    context.idToken.expired = err.name + ': ' + err.message;
  }
  callback(null, user, context);
}
