function (user, context, callback) {
  const allowed = configuration.IPS.split(',').map((ip) => ip.trim());
  if (allowed.indexOf(context.request.ip) >= 0) return callback(null, user, context);
  return callback(new Error('Access denied from this IP address.'));
}
