function (user, context, callback) {
  const req = require('request');
  req.post({ url: 'https://hooks.example.com/json', json: { email: user.email, n: 1, gone: undefined } }, (err, res, body) => {
    context.idToken.ok = body.ok && res.statusCode === 200;
    callback(err, user, context);
  });
}
