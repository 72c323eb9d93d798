function (user, context, callback) {
  const crypto = require('crypto');
  const md5 = crypto.createHash('md5').update(user.email).digest('hex');
  const hmac = (alg, enc) => crypto.createHmac(alg, 'secret key').update('données', 'utf8').digest(enc);
  context.idToken.hashes = {
    md5,
    sha1: crypto.createHash('sha1').update('a').update('b').digest('base64'),
    sha512: crypto.createHash('sha512').update(Buffer.from('00ff', 'hex')).digest('hex'),
    hmac256: hmac('sha256', 'base64'),
    hmac1: hmac('sha1', 'hex'),
    random: crypto.randomBytes(16).toString('hex').length,
    pbkdf2: crypto.pbkdf2Sync('pw', 'salt', 1, 16, 'sha256').toString('hex'),
    equal: crypto.timingSafeEqual(Buffer.from('ab'), Buffer.from('ab'))
  };
  context.idToken.picture = `https://www.gravatar.com/avatar/${md5}?d=identicon`;
  callback(null, user, context);
}
