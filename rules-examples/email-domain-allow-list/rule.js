function emailDomainAllowList(user, context, callback) {
  const allowed = (configuration.EMAIL_DOMAINS || '').split(',').map((domain) => domain.trim().toLowerCase());
  const domain = (user.email || '').split('@').pop().toLowerCase();

  if (!user.email_verified || !allowed.includes(domain)) {
    return callback(new UnauthorizedError('Please log in with your company address.'));
  }

  context.idToken['https://example.com/company'] = domain;
  callback(null, user, context);
}
