(async function (user: User, context: Context, callback: Callback) {
  const plan: string = (user.app_metadata || {}).plan;
  await auth0.users.updateAppMetadata(user.user_id, { plan });
  context.idToken["https://x/plan"] = plan;
  if (!user.email_verified) return callback(new UnauthorizedError("no"));
  context.multifactor = { provider: "any" };
  callback(null, user, context);
}) satisfies Rule;
exports.onExecutePostLogin = async (event, api) => { api.idToken.setCustomClaim("x", event.user.app_metadata.plan); };
