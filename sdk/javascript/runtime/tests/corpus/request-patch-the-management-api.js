function (user, context, callback) {
  const request = require('request');
  user.user_metadata = Object.assign(user.user_metadata || {}, { theme: 'dark' });
  request.patch({
    url: auth0.baseUrl + '/users/' + encodeURIComponent(user.user_id),
    headers: { Authorization: 'Bearer ' + auth0.accessToken },
    json: { user_metadata: user.user_metadata }
  }, function (err, response) {
    if (err) return callback(err);
    context.idToken.patched = response.statusCode;
    callback(null, user, context);
  });
}
