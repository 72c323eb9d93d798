function (user, context, callback) {
  if (context.protocol !== 'redirect-callback') {
    var token = jwt.sign({ sub: user.user_id }, configuration.CLIENT_SECRET, { expiresInMinutes: 5, audience: context.clientID, issuer: 'urn:auth0' });
    context.redirect = { url: 'https://example.com/foo?token=' + token };
    return callback(null, user, context);
  }
  jwt.verify(context.request.query.token, configuration.CLIENT_SECRET, { audience: context.clientID }, function (err) {
    if (err) return callback(new UnauthorizedError(err.message));
    callback(null, user, context);
  });
}
