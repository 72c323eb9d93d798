async function verifyPin(user, context, callback) {
  const bcrypt = require('bcrypt');
  const { pin_hash: hash, pin } = user.app_metadata;
  const valid = await bcrypt.compare(pin, hash);
  if (!valid) return callback(new UnauthorizedError('Wrong PIN.'));
  context.idToken['https://example.com/pin'] = { rounds: bcrypt.getRounds(hash), invalid: bcrypt.compareSync(pin, 'no hash') };
  bcrypt.hash('é€', '$2b$04$wIp2PlzAQHEgkVzDKjCQN.', function (err, other) {
    context.idToken['https://example.com/pin'].other = other;
    callback(err, user, context);
  });
}
