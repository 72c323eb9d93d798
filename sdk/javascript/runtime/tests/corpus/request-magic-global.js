function (user, context, callback) {
  request.get({ url: 'https://api.example.com/magic' }, function (e, r, body) {
    context.idToken.magic = _.capitalize(body);
    callback(e, user, context);
  });
}
