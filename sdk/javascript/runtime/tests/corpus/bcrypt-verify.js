function (user, context, callback) {
  const bcrypt = require('bcrypt');
  const hash = bcrypt.hashSync('pin 1234', '$2b$04$wIp2PlzAQHEgkVzDKjCQN.');
  bcrypt.compare('pin 1234', hash, function (err, same) {
    context.idToken.same = same;
    context.idToken.other = bcrypt.compareSync('other', hash);
    callback(err, user, context);
  });
}
