function (user, context, callback) {
  const oauth = require('oauth-sign');
  const params = { oauth_consumer_key: 'key', oauth_nonce: 'n', oauth_timestamp: '1', q: 'é!' };
  context.idToken.sig = [oauth.hmacsign('GET', 'https://api.example.com/1.1/users', params, 'cs', 'ts'), oauth.rfc3986("a!'()* b")];
  callback(null, user, context);
}
