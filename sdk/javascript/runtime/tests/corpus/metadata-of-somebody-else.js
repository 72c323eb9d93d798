function (user, context, callback) {
  auth0.users.updateAppMetadata('auth0|somebody-else', { admin: true })
    .then(function () { context.idToken.stolen = true; callback(null, user, context); })
    .catch(function (err) { context.idToken.refused = err.statusCode; callback(null, user, context); });
}
