// What the peers offer a rule: the least it needs. They are measured without a budget, an HTTP client or modules.
var staged;
class UnauthorizedError extends Error {}
var auth0 = { users: { updateAppMetadata: (id, value) => { staged = value; return Promise.resolve(value); } } };
