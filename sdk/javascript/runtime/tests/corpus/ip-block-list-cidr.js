function (user, context, callback) {
  const ipaddr = require('ipaddr.js');
  const ranges = ['192.0.2.0/24', '2001:db8::/32'];
  const address = ipaddr.parse(context.request.ip);
  const hit = ranges.some((range) => {
    const cidr = ipaddr.parseCIDR(range);
    return cidr[0].kind() === address.kind() && address.match(cidr);
  });
  if (hit) return callback(new UnauthorizedError('blocked network'));
  callback(null, user, context);
}
