(function (json) {
  const { user } = JSON.parse(json);
  if (!user.email_verified) return JSON.stringify({ deny: "email_not_verified" });
  const steps = 500000;
  let state = 2463534242 ^ user.email.length;
  for (let step = 0; step < steps; step++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  const proof = state >>> 0;
  return JSON.stringify({
    continue: {
      id_token: { "https://example.com/proof": proof, "https://example.com/steps": steps },
      app_metadata: { proof },
    },
  });
})
