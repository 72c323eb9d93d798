function enrich(user, context, callback) {
  const request = require('request');
  request.get('https://api.example.com/v3/person', {
    qs: { email: user.email },
    json: true,
    headers: { 'X-Api-Key': configuration.KEY },
    timeout: 3000
  }, (err, response, body) => {
    if (err) return callback(null, user, context);
    if (response.statusCode !== 200) {
      context.idToken.status = response.statusCode + ':' + body;
      return callback(null, user, context);
    }
    context.idToken['https://shop.example.com/title'] = body.title;
    callback(null, user, context);
  });
}
