function (user, context, callback) {
  if (context.stats.loginsCount > 1) return callback(null, user, context);
  const slack = require('slack-notify')('https://hooks.slack.example/services/T/B/X');
  const message = 'New User: ' + (user.name || user.email) + ' (' + user.email + ')';
  callback(null, user, context);
  slack.success({ text: message, channel: '#some_channel', fields: { Plan: user.app_metadata.plan } });
}
