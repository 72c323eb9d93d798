// From what a rule left behind to its answer (DESIGN §3): the difference, and nothing else.

import host, { LEVEL, log } from "./host.js";
import { isHostsUserKey, withoutMerged } from "./event.js";
import { login } from "./login.js";
import { hasOwn, isEmpty, keysOf, toJson } from "./own.js";
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

const BAGS = ["user_metadata", "app_metadata"];

export function finish() {
  const { end } = login;
  if (end === undefined) return { noCallback: true };
  if (end.refused !== undefined) return { deny: end.refused };
  const members = {};
  const problem = collect(end.user, end.context, members);
  if (problem !== undefined) return { fail: problem };
  return { continue: members };
}

/** Collects the members of an answer; gives what makes it impossible. A part is looked into only where it differs. */
function collect(user, context, members) {
  const transient = collectUser(user, members);
  const { user_metadata, app_metadata } = login.writes;
  put(members, "user_metadata", user_metadata);
  put(members, "app_metadata", app_metadata);
  const problem = collectContext(context, members);
  const shared = collectShared(transient);
  if (shared !== undefined) put(members, "shared", host.changes("shared", shared));
  return problem;
}

/** Gives what it changed in memory only. */
function collectUser(user, members) {
  const changes = host.changes("user", user);
  if (changes === undefined) return undefined;
  let transient;
  for (const bag of BAGS) {
    if (!hasOwn(changes, bag)) continue;
    delete changes[bag];
    const unsaved = unsavedMetadata(bag, user[bag]);
    if (unsaved !== undefined) (transient ??= {})[TRANSIENT[bag]] = unsaved;
  }
  put(members, "user", withoutHosts("user", withoutMerged(changes, login.merged), isHostsUserKey));
  return transient;
}

function put(members, name, value) {
  if (value !== undefined && !isEmpty(value)) members[name] = value;
}

function withoutHosts(what, changes, isHosts) {
  if (changes === undefined) return undefined;
  for (const key of keysOf(changes)) {
    if (!isHosts(key)) continue;
    delete changes[key];
    if (key !== "now" && key !== "seed" && login.filled?.[key] === undefined) log(LEVEL.warn, `ignored: ${what}.${key} is the host's, no rule can change it`);
  }
  return changes;
}

/** the scope is no claim. */
function takeScope(members) {
  const claims = members.access_token;
  if (claims === undefined || !hasOwn(claims, "scope")) return;
  const { scope, ...rest } = claims;
  delete members.access_token;
  put(members, "access_token", rest);
  if (scope === null) return;
  members.scope = typeof scope === "string" ? scope.split(" ").filter(Boolean) : scope;
}

function collectContext(context, members) {
  const changes = host.changes("context", context);
  if (changes === undefined) return undefined;
  for (const key of keysOf(login.filled)) {
    if (hasOwn(changes, key) && context[key] === login.filled[key] && isEmpty(context[key])) delete changes[key];
  }
  const { idToken, accessToken, multifactor, redirect, ...rest } = changes;
  if (idToken !== undefined) put(members, "id_token", host.changes("context.idToken", idToken));
  if (accessToken !== undefined) {
    put(members, "access_token", host.changes("context.accessToken", accessToken));
    takeScope(members);
  }
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

/** What a rule changed in a bag without storing it: later rules see it. */
function unsavedMetadata(bag, value) {
  const changes = host.changes(`user.${bag}`, value);
  const writes = login.writes[bag];
  if (changes === undefined) return undefined;
  for (const key of keysOf(changes)) {
    if (writes !== undefined && hasOwn(writes, key) && toJson(writes[key]) === toJson(changes[key])) {
      delete changes[key];
    } else {
      changes[key] ??= null;
    }
  }
  return isEmpty(changes) ? undefined : changes;
}

/** Applies what earlier rules changed in memory. */
export function applyTransient(user, shared) {
  for (const bag of BAGS) {
    const changes = shared[TRANSIENT[bag]];
    if (changes === undefined || changes === null) continue;
    const metadata = (user[bag] ??= {});
    for (const key of keysOf(changes)) {
      if (changes[key] === null) delete metadata[key];
      else metadata[key] = changes[key];
    }
  }
}
