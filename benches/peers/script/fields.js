(function (json) {
  const { user } = JSON.parse(json);
  if (!user.email_verified) return JSON.stringify({ deny: "email_not_verified" });
  const plan = user.app_metadata.plan;
  return JSON.stringify({
    continue: {
      id_token: { "https://example.com/plan": plan, "https://example.com/email": user.email },
      app_metadata: { last_plan: plan },
    },
  });
})
