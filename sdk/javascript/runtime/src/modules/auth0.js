// The `auth0` SDK for the user who is logging in. Whatever else it can do in a tenant rejects, by name.

const { updateUser } = require("vestibule:exchange");
const internals = require("vestibule:internals");

function settled(make, callback) {
  const promise = new Promise((resolve) => resolve(make()));
  if (typeof callback !== "function") return promise;
  promise.then((value) => callback(null, value), callback);
  return undefined;
}

const idOf = (parameters) => parameters?.id ?? parameters?.user_id ?? parameters;

const users = {
  update: (parameters, data, callback) => settled(() => updateUser(idOf(parameters), data), callback),
  updateUserMetadata: (parameters, data, callback) => internals.update("user_metadata")(idOf(parameters), data, callback),
  updateAppMetadata: (parameters, data, callback) => internals.update("app_metadata")(idOf(parameters), data, callback),
  get: (parameters, callback) =>
    settled(() => {
      if (idOf(parameters) !== internals.login.user.user_id) {
        throw internals.managementError(403, "Forbidden", "a rule can only read the user who is logging in");
      }
      return internals.profile();
    }, callback),
};

const METHODS = {
  users,
  updateUser: users.update,
  updateUserMetadata: users.updateUserMetadata,
  updateAppMetadata: users.updateAppMetadata,
  getUser: users.get,
};

/** Anything that is not there is a function that rejects, so that a rule's own error handling sees it. */
function orRejecting(methods, path) {
  return new Proxy(methods, {
    get(target, name) {
      if (typeof name === "symbol" || name === "then" || Object.hasOwn(target, name)) return target[name];
      return (...values) => {
        const message = `${path}.${name} is not available in a rule: it reads and updates the user who is logging in, nothing else`;
        const callback = values[values.length - 1];
        return settled(() => {
          throw internals.managementError(403, "Forbidden", message);
        }, callback);
      };
    },
  });
}

class ManagementClient {
  constructor(options) {
    if (!options || typeof options !== "object") throw new Error("Management API SDK options must be an object");
    return orRejecting({ ...METHODS, users: orRejecting(users, "users") }, "ManagementClient");
  }
}

class AuthenticationClient {
  constructor() {
    throw new Error("AuthenticationClient is not available in a rule: call the endpoint with an HTTP client and a grant");
  }
}

module.exports = { ManagementClient, AuthenticationClient };
