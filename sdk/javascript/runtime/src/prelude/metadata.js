// Metadata that is to be stored, merged as Auth0's `PATCH /users/{id}` does (M-3 … M-6, M-10, M-13, M-15), and staged:
// the login's transaction stores it, or nothing.

import host from "./host.js";
import { login } from "./login.js";
import { fromJson, isEmpty, keysOf, toJson } from "./own.js";

/** Names no `app_metadata` has (M-15). */
const RESERVED = new Set([
  "__tenant",
  "_id",
  "blocked",
  "clientID",
  "created_at",
  "email_verified",
  "email",
  "globalClientID",
  "global_client_id",
  "identities",
  "lastIP",
  "lastLogin",
  "loginsCount",
  "metadata",
  "multifactor_last_modified",
  "multifactor",
  "updated_at",
  "user_id",
]);

/** An error of the Management API. */
export function managementError(statusCode, error, message) {
  return Object.assign(new Error(message), { name: error, statusCode });
}

/** Stages a bag for a user, who can only be the one that is logging in. Throws what the API would answer. */
export function stage(bag, userId, value) {
  if (userId !== login.user.user_id) {
    const message = `a rule can only change the user who is logging in (${login.user.user_id}), not ${userId}`;
    throw managementError(403, "Forbidden", message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw managementError(400, "Bad Request", `Payload validation error: '${bag}' is no object`);
  }
  const keys = fromJson(toJson(value)); // What would have crossed the wire; later changes are not seen.
  checkKeys(bag, keys, 0);
  const writes = isEmpty(keys) ? deletions(bag) : keys;
  login.writes[bag] = { ...login.writes[bag], ...writes };
}

/** Every key that is stored or staged, as `null`: a bag sent as `{}` is deleted (M-6). */
function deletions(bag) {
  const deleted = {};
  for (const key of keysOf(host.changes(`user.${bag}`, {}))) deleted[key] = null;
  for (const key of keysOf(login.writes[bag])) deleted[key] = null;
  return deleted;
}

function checkKeys(bag, value, level) {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const element of value) checkKeys(bag, element, level + 1);
    return;
  }
  for (const key of keysOf(value)) {
    if (key.includes(".") || key.includes("$")) {
      const message = `Fields with "." or "$" are not allowed, please remove all dotted fields: ${bag}.${key}`;
      throw managementError(400, "Bad Request", message);
    }
    if (level === 0 && bag === "app_metadata" && RESERVED.has(key)) {
      throw managementError(400, "Bad Request", `Payload validation error: app_metadata.${key} is reserved`);
    }
    checkKeys(bag, value[key], level + 1);
  }
}

/** The profile as the API would answer it now. */
export function profile() {
  const copy = { ...login.user };
  for (const bag of ["user_metadata", "app_metadata"]) {
    const merged = { ...copy[bag] };
    const writes = login.writes[bag];
    for (const key of keysOf(writes)) {
      if (writes[key] === null) delete merged[key];
      else merged[key] = writes[key];
    }
    copy[bag] = merged;
  }
  return copy;
}

/** `updateUserMetadata` and `updateAppMetadata`, with a promise or a callback. */
export const update = (bag) => (userId, value, callback) => {
  let failure;
  try {
    stage(bag, userId, value);
  } catch (error) {
    failure = error;
  }
  const settled = failure === undefined ? Promise.resolve(profile()) : Promise.reject(failure);
  if (typeof callback !== "function") return settled;
  settled.then((user) => callback(null, user), callback);
  return undefined;
};
