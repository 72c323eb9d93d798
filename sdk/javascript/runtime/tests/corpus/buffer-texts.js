function (user, context, callback) {
  const texts = ['', 'plain', 'données €', '😀', '\ud800 half', 'half \udc00', 'nul \0 in it', 'x'.repeat(64)];
  const encodings = [undefined, 'utf8', 'utf-8', 'UTF8', 'hex', 'base64', 'latin1', 'ascii', 'binary', 'utf16le'];
  const bytes = [[], [0xff], [0xc3], [0xe2, 0x82], [0xe2, 0x82, 0x41], [0xf0, 0x9f, 0x98], [0x80, 0x80], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf8, 0x88], [0x41, 0, 0xc3, 0xa9]];
  const odd = ['616263', '61626', '61zz63', 'zz', '6162 63', 'QUJD', 'QUI=', 'QUI', 'QQ==', 'QR==', 'QUJD\nREVG', 'Q!U@J#D', '-_-_', '+/+/', '=', 'QUJD=QUJD', ''];
  const buffer = Buffer.from('0123456789é');
  const codes = (text) => text.split('').map((c) => c.charCodeAt(0)).join(' '); // Half a pair, or NUL, is in no claim.
  context.idToken.texts = {
    written: encodings.map((encoding) => texts.map((text) => Buffer.from(text, encoding === 'hex' ? 'utf8' : encoding).toString(encoding).slice(0, 40)).map(codes)),
    bytes: texts.map((text) => Buffer.from(text).toString('hex').slice(0, 60)),
    lengths: texts.map((text) => Buffer.byteLength(text) + Buffer.byteLength(text, 'utf8') * 10000),
    invalid: bytes.map((list) => codes(Buffer.from(list).toString())),
    hex: odd.map((text) => Buffer.from(text, 'hex').toString('latin1')),
    base64: odd.map((text) => Buffer.from(text, 'base64').toString('hex')),
    parts: [buffer.toString('utf8', 3), buffer.toString('utf8', 3, 6), buffer.toString('hex', 0, 2), buffer.slice(2, 5).toString(), `${buffer.slice(8)}`],
    joined: Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString('base64'),
    own: Buffer.from(buffer).fill(0).length + buffer.length,
    isBuffer: Buffer.isBuffer(Buffer.from('x')) && Buffer.from('x') instanceof Uint8Array,
  };
  callback(null, user, context);
}
