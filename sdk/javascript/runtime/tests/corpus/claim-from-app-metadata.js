function addPlanClaim(user, context, callback) {
  const namespace = 'https://shop.example.com/';
  const metadata = user.app_metadata || {};
  context.idToken[namespace + 'plan'] = metadata.plan || 'free';
  context.accessToken[namespace + 'plan'] = metadata.plan || 'free';
  callback(null, user, context);
}
