function (user, context, callback) {
  const connectionOptions = context.connectionOptions;
  const domainAliases = connectionOptions.domain_aliases || [];
  const tenantDomain = connectionOptions.tenant_domain;
  if (!domainAliases.length && !tenantDomain) return callback('Access denied');
  const emailSplit = user.email.split('@');
  const userEmailDomain = emailSplit[emailSplit.length - 1].toLowerCase();
  const ok = domainAliases.concat(tenantDomain).some((d) => d.toLowerCase() === userEmailDomain);
  callback(ok ? null : 'Access denied', user, context);
}
