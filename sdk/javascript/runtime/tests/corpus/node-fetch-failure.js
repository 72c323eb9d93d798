async function (user, context, callback) {
  const fetch = require('node-fetch');
  try {
    await fetch('https://api.example.com/x');
    callback(null, user, context);
  } catch (error) {
    context.idToken.failed = [error.name, error.type];
    callback(null, user, context);
  }
}
