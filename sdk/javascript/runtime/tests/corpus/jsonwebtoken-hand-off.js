function (user, context, callback) {
  const jwt = require('jsonwebtoken');
  const token = jwt.sign({ email: user.email }, configuration.SECRET, { subject: user.user_id, expiresIn: '5 minutes', audience: 'form', issuer: 'rule' });
  const claims = jwt.verify(token, Buffer.from(configuration.SECRET), { audience: 'form', issuer: 'rule' });
  context.idToken.hand = { token, claims, header: jwt.decode(token, { complete: true }).header };
  context.redirect = { url: 'https://forms.example.com/?token=' + token };
  callback(null, user, context);
}
