function (user, context, callback) {
  const moment = require('moment-timezone');
  const paris = moment(new Date()).tz('Europe/Paris');
  const york = moment.tz('2026-07-01 09:00', 'America/New_York');
  context.idToken.tz = [paris.format(), paris.unix(), york.utc().format(), moment(user.created_at).unix()];
  callback(null, user, context);
}
