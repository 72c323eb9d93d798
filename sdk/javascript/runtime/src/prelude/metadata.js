// Metadata that is to be stored, merged as Auth0's `PATCH /users/{id}` does (M-3 … M-6, M-10, M-13, M-15), and staged:
// the login's transaction stores it, or nothing.

import host from "./host.js";
import { login } from "./login.js";
import { hasOwn, keysOf, setOf } from "./own.js";

const BAGS = ["user_metadata", "app_metadata"];

/** Names no `app_metadata` has (M-15). */
const RESERVED = setOf([
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
  const keys = host.wire(value); // What would have crossed the wire; later changes are not seen.
  const names = checked(bag, keys);
  const staged = login.writes[bag];
  if (names.length === 0) {
    login.writes[bag] = deletions(bag);
  } else if (staged === undefined) {
    login.writes[bag] = keys;
  } else {
    for (let at = 0; at < names.length; at++) staged[names[at]] = keys[names[at]];
  }
}

/** Every key that is stored or staged, as `null`: a bag sent as `{}` is deleted (M-6). */
function deletions(bag) {
  const deleted = {};
  for (const key of keysOf(host.changes(`user.${bag}`, {}))) deleted[key] = null;
  for (const key of keysOf(login.writes[bag])) deleted[key] = null;
  return deleted;
}

/** The first-level keys, or the error that the API would answer. */
function checked(bag, value) {
  if (host.isDotted(value)) throw dotted(bag, value);
  const names = keysOf(value);
  if (bag !== "app_metadata") return names;
  for (let at = 0; at < names.length; at++) {
    if (names[at] in RESERVED) {
      throw managementError(400, "Bad Request", `Payload validation error: app_metadata.${names[at]} is reserved`);
    }
  }
  return names;
}

function dotted(bag, value) {
  const isDotted = (key) => /[.$]/.test(key);
  const find = (value) => {
    if (typeof value !== "object" || value === null) return undefined;
    return (Array.isArray(value) ? undefined : keysOf(value).find(isDotted)) ?? Object.values(value).map(find).find(Boolean);
  };
  const message = `Fields with "." or "$" are not allowed, please remove all dotted fields: ${bag}.${find(value)}`;
  return managementError(400, "Bad Request", message);
}

/** The profile as the API would answer it now. */
export function profile() {
  const copy = host.copy(login.user);
  for (const bag of BAGS) {
    const writes = login.writes[bag];
    if (writes === undefined && hasOwn(copy, bag)) continue; // Looking at it would make it.
    const merged = (copy[bag] ??= {});
    for (const key of keysOf(writes)) {
      if (writes[key] === null) delete merged[key];
      else merged[key] = writes[key];
    }
  }
  return copy;
}

/** `updateUserMetadata` and `updateAppMetadata`, with a promise or a callback. */
export const update = (bag) => (userId, value, callback) => {
  let settled;
  try {
    stage(bag, userId, value);
    settled = host.promise(profile);
  } catch (error) {
    settled = Promise.reject(error);
  }
  if (typeof callback !== "function") return settled;
  settled.then((user) => callback(null, user), callback);
  return undefined;
};
