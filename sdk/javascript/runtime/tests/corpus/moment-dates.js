function (user, context, callback) {
  const moment = require('moment@2.11.2');
  const end = moment(user.app_metadata.trial_from).add(3, 'months').toISOString();
  const stale = moment(user.last_password_reset).isBefore(moment().subtract(90, 'days'));
  context.idToken.trial = { end, stale, format: moment.utc(0).format('dddd, MMMM Do YYYY, h:mm:ss a'), from: moment.utc().add(2, 'days').fromNow() };
  callback(null, user, context);
}
