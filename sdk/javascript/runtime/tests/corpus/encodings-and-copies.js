function (user, context, callback) {
  const querystring = require('querystring');
  const bytes = Buffer.from([251, 255, 190, 0]);
  const made = { a: [1, { b: 2 }], date: new Date(5), map: new Map([['k', new Set([1])]]), nothing: undefined, text: /x/gi, bytes: new Uint8Array([1, 2]) };
  made.self = made;
  const copy = structuredClone(made);
  let refused;
  try {
    structuredClone({ run() {} });
  } catch (error) {
    refused = error.name;
  }
  context.idToken.seen = {
    base64url: [bytes.toString('base64url'), Buffer.from('-_--AA', 'base64url').toString('hex'), Buffer.byteLength('-_--AA', 'base64url'), Buffer.isEncoding('base64url'), bytes.toString('base64url', 1, 3)],
    querystring: [querystring.escape("a b&c='é!*()"), querystring.unescape('a%20b%zz%C3%A9'), querystring.parse('a=%zz&a=2&b=%20&&=3&c'), querystring.stringify({ a: [1, 2], b: 'é', c: null, d: true })],
    clone: [copy !== made, copy.self === copy, copy.a[1].b, copy.a[1] !== made.a[1], copy.date.getTime(), [...copy.map.get('k')], String(copy.text), 'nothing' in copy, [...copy.bytes], refused],
  };
  callback(null, user, context);
}
