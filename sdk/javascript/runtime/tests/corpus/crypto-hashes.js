function (user, context, callback) {
  const crypto = require('crypto');
  const md5 = crypto.createHash('md5').update(user.email).digest('hex');
  const hmac = (alg, enc) => crypto.createHmac(alg, 'secret key').update('données', 'utf8').digest(enc);
  const long = Buffer.from('abc'.repeat(20000));
  context.idToken.hashes = {
    md5,
    sha1: crypto.createHash('sha1').update('a').update('b').digest('base64'),
    sha224: crypto.createHash('sha224').update('').digest('hex'),
    sha384: crypto.createHash('SHA384').update(new Uint8Array([1, 2, 3])).digest('base64'),
    sha512: crypto.createHash('sha512').update(Buffer.from('00ff', 'hex')).digest('hex'),
    rsa: crypto.createHash('RSA-SHA256').update(long).digest('hex'),
    ripemd160: crypto.createHash('ripemd160').update('latin é', 'latin1').digest('hex'),
    hmac256: hmac('sha256', 'base64'),
    hmac1: hmac('sha1', 'hex'),
    hmac512: crypto.createHmac('sha512', long).update(long).digest('base64'),
    random: crypto.randomBytes(16).toString('hex').length,
    pbkdf2: crypto.pbkdf2Sync('pw', 'salt', 1, 16, 'sha256').toString('hex'),
    stretched: crypto.pbkdf2Sync(Buffer.from('pw'), 'salt', 10000, 64, 'sha512').toString('hex'),
    equal: crypto.timingSafeEqual(Buffer.from('ab'), Buffer.from('ab'))
  };
  const hash = crypto.createHash('md5');
  const part = Buffer.from('changed later');
  hash.update(part);
  part.fill(0);
  context.idToken.copied = hash.digest('hex');
  try {
    hash.update('more');
  } catch (error) {
    context.idToken.finished = [error.code, error.message];
  }
  crypto.pbkdf2('pw', 'salt', 2, 20, 'sha1', function (err, key) {
    context.idToken.later = key.toString('hex');
    context.idToken.picture = `https://www.gravatar.com/avatar/${md5}?d=identicon`;
    callback(err, user, context);
  });
}
