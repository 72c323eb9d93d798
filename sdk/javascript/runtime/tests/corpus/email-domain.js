function (user, context, callback) {
  const domains = new Set([configuration.DOMAIN]);
  const [, domain] = user.email.toLowerCase().split('@');
  if (!domains.has(domain)) return callback(new UnauthorizedError(`Not for ${domain}`));
  callback(null, user, context);
}
