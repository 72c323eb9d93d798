// Computes for about a millisecond of native code, sets two claims, stores one key: as a Rule was written for Auth0.
function compute(user, context, callback) {
  if (!user.email_verified) return callback(new UnauthorizedError("email_not_verified"));
  const steps = 500000;
  let state = 2463534242 ^ user.email.length;
  for (let step = 0; step < steps; step++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  const proof = state >>> 0;
  context.idToken["https://example.com/proof"] = proof;
  context.idToken["https://example.com/steps"] = steps;
  auth0.users
    .updateAppMetadata(user.user_id, { proof })
    .then(() => callback(null, user, context))
    .catch(callback);
}
