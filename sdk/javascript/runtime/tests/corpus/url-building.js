function (user, context, callback) {
  const url = require('url@0.10.3');
  const { URL, URLSearchParams } = require('url');
  const parsed = url.parse('https://user:pw@shop.example.com:8443/a/b?x=1&y=%20z#frag', true);
  const u = new URL('../c?k=v', 'https://shop.example.com/a/b/');
  u.searchParams.append('é', 'ü w');
  const params = new URLSearchParams({ a: '1 2', b: '&' });
  context.idToken.url = [parsed.host, parsed.query.y, parsed.auth, parsed.hash, u.href, u.origin, params.toString(),
    url.format({ protocol: 'https', host: 'h.example', pathname: '/p', query: { q: 1, r: ['a', 'b'] } })];
  context.redirect = { url: u.toString() };
  callback(null, user, context);
}
