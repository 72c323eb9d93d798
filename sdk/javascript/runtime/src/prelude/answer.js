// From what a rule left behind to its answer (DESIGN §3): the difference, and nothing else.

import host, { LEVEL, log } from "./host.js";
import { isHostsUserKey, unmergeAppMetadata } from "./event.js";
import { login } from "./login.js";
import { collectShared, TRANSIENT } from "./shared.js";

/** What the host tells rules of a login: a rule may scribble on it, but nobody else sees that. */
const HOSTS_CONTEXT = new Set([
  "authentication",
  "authorization",
  "clientID",
  "clientMetadata",
  "clientName",
  "connection",
  "connectionID",
  "connectionMetadata",
  "connectionOptions",
  "connectionStrategy",
  "now",
  "organization",
  "original_protocol",
  "protocol",
  "request",
  "riskAssessment",
  "seed",
  "sessionID",
  "sso",
  "stats",
  "tenant",
]);

export function finish() {
  const { end, failure } = login;
  if (failure !== undefined) return { fail: failure };
  if (end === undefined) return { noCallback: true };
  if (end.refused !== undefined) return { deny: end.refused };
  const members = {};
  const problem = collect(end.user, end.context, members);
  if (problem !== undefined) return { fail: problem };
  return { continue: members };
}

/** Collects the members of an answer; gives what makes it impossible. */
function collect(user, context, members) {
  unmergeAppMetadata(user, login.merged);
  put(members, "user", withoutHosts("user", without(host.changes("user", user), "user_metadata", "app_metadata"), isHostsUserKey));
  for (const bag of ["user_metadata", "app_metadata"]) put(members, bag, login.writes[bag]);
  put(members, "id_token", host.changes("context.idToken", context.idToken));
  put(members, "access_token", host.changes("context.accessToken", context.accessToken));
  takeScope(members);
  const problem = collectContext(context, members);
  const shared = collectShared(transientMetadata(user));
  if (shared !== undefined) put(members, "shared", host.changes("shared", shared));
  return problem;
}

function put(members, name, value) {
  if (value === undefined) return;
  for (const key in value) {
    members[name] = value;
    return;
  }
}

/** Leaves out what has a place of its own. */
function without(changes, ...keys) {
  if (changes !== undefined) for (const key of keys) delete changes[key];
  return changes;
}

function withoutHosts(what, changes, isHosts) {
  for (const key in changes) {
    if (!isHosts(key)) continue;
    delete changes[key];
    if (key !== "now" && key !== "seed" && login.filled?.[key] === undefined) log(LEVEL.warn, `ignored: ${what}.${key} is the host's, no rule can change it`);
  }
  return changes;
}

function takeScope(members) {
  const claims = members.access_token;
  if (claims === undefined || !Object.hasOwn(claims, "scope")) return;
  const { scope, ...rest } = claims;
  delete members.access_token;
  put(members, "access_token", rest);
  if (scope === null) return;
  members.scope = typeof scope === "string" ? scope.split(" ").filter(Boolean) : scope;
}

function collectContext(context, members) {
  const changes = without(host.changes("context", context), "idToken", "accessToken");
  if (changes === undefined) return undefined;
  for (const key in login.filled) {
    if (context[key] === login.filled[key] && isEmpty(context[key])) delete changes[key];
  }
  const { multifactor, redirect, ...rest } = changes;
  put(members, "context", withoutHosts("context", rest, (key) => HOSTS_CONTEXT.has(key)));
  takeSecondFactor(multifactor, members);
  return takeRedirect(redirect, members);
}

/** Assurance only goes up: `none` asks for nothing. */
function takeSecondFactor(multifactor, members) {
  if (multifactor === undefined) return;
  if (multifactor === null || typeof multifactor !== "object" || multifactor.provider === "none") {
    log(LEVEL.warn, "ignored: a rule cannot lift a second factor, only demand one");
    return;
  }
  const remember = multifactor.allowRememberBrowser === true && multifactor.ignoreCookie !== true;
  members.second_factor = { allow_remember_browser: remember };
}

/** A gate without an address would be an open door: that fails. */
function takeRedirect(redirect, members) {
  if (redirect === undefined || redirect === null) return undefined;
  if (typeof redirect.url !== "string" || redirect.url === "") return "context.redirect has no `url` that is a string";
  members.redirect = { url: redirect.url };
  return undefined;
}

/** What a rule changed in `user.app_metadata` and `user.user_metadata` without storing it: later rules see it. */
function transientMetadata(user) {
  let transient;
  for (const bag of ["user_metadata", "app_metadata"]) {
    const changes = host.changes(`user.${bag}`, user[bag]);
    const writes = login.writes[bag] ?? {};
    for (const key in changes) {
      if (key in writes && JSON.stringify(writes[key]) === JSON.stringify(changes[key])) continue;
      transient ??= {};
      const seen = (transient[TRANSIENT[bag]] ??= {});
      seen[key] = changes[key] ?? null;
    }
  }
  return transient;
}

/** Applies what earlier rules changed in memory. */
export function applyTransient(user, shared) {
  for (const bag of ["user_metadata", "app_metadata"]) {
    const changes = shared[TRANSIENT[bag]];
    if (changes === undefined || changes === null) continue;
    const metadata = (user[bag] ??= {});
    for (const key of Object.keys(changes)) {
      if (changes[key] === null) delete metadata[key];
      else metadata[key] = changes[key];
    }
  }
}

function isEmpty(value) {
  for (const key in value) return false;
  return true;
}
