function (user, context, callback) {
  context.stats.loginsCount = 99;
  context.request.query.extra = 'x';
  context.authorization = context.authorization || {};
  user.multifactor = user.multifactor || [];
  user.identities.forEach((identity) => { identity.seen = true; });
  context.note = { from: 'rule', at: [1, 2, { deep: null }] };
  callback(null, user, context);
}
