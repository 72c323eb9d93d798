function (user, context, callback) {
  const request = require('request');
  request.put({ uri: 'https://api:p%40ss@api.example.com/things/1?a=1', qs: { b: 2 }, json: true, body: { put: true } }, (error, response, body) => {
    context.idToken.put = [response.statusCode, body === undefined || body === ''];
    callback(error, user, context);
  });
}
