// Runs the rule on an event in JSON, and gives what a login needs of it in JSON.
(json) => {
  const { user, context } = JSON.parse(json);
  context.idToken = {};
  context.accessToken = {};
  let done;
  rule(user, context, (error, user, context) => { done = { error, user, context }; });
  return JSON.stringify({ error: done.error && done.error.message, user: done.user, context: done.context, staged });
}
