function (user, context, callback) {
  var risk = { level: 'high', reasons: ['address'] };
  context.idToken['https://example.com/risk'] = risk;
  user.app_metadata.risk = risk;
  user.app_metadata.seen = { times: 1 };
  global.risk = risk;
  require('request').post({ url: 'https://risk.example.com/log', json: risk }, function () {
    risk.level = 'none';
    risk.reasons.pop();
    auth0.users.updateAppMetadata(user.user_id, { seen: { times: 1 }, logged: true });
  });
  callback(null, user, context);
}
