// From what a rule left behind to its answer (DESIGN §3): the difference, and nothing else.

import host, { LEVEL, log } from "./host.js";
import { isHostsUserKey } from "./event.js";
import { login } from "./login.js";
import { hasOwn, isEmpty, keysOf, setOf, toJson, withMember } from "./own.js";
import { collectGlobals, isOpen, sharedWith, TRANSIENT } from "./shared.js";

/** What the host tells rules of a login: a rule may scribble on it, but nobody else sees that. */
const HOSTS_CONTEXT = setOf([
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
  "organization",
  "original_protocol",
  "protocol",
  "request",
  "riskAssessment",
  "sessionID",
  "sso",
  "stats",
  "tenant",
]);

/** Who the user can be reached as: later rules and profile claims follow it where `writes` names it; elsewhere the host drops it. */
const BY_NAME = setOf(["email", "email_verified", "phone_number", "phone_verified"]);

/** What is never in a rule's context: its clock, and what its randomness is made of. */
const HOSTS_ALONE = setOf(["now", "seed"]);

const BAGS = ["user_metadata", "app_metadata"];

/** How the login ended, for the engine, which takes the member that is there. */
export function finish() {
  const { end, ending } = login;
  if (end === undefined) {
    ending.noCallback = true;
  } else if (end.refused !== undefined) {
    ending.deny = end.refused;
  } else {
    const { user_metadata, app_metadata } = login.writes;
    if (user_metadata !== undefined) ending.continue.user_metadata = user_metadata;
    if (app_metadata !== undefined) ending.continue.app_metadata = app_metadata;
    if (login.isMore) share(ending.continue);
  }
  return ending;
}

/**
 * Takes the answer: what the rule left behind when it called back, and nothing that is done to it later. A part is looked
 * into only where it differs.
 */
export function take(user, context) {
  const { ending, taken } = login;
  try {
    collectUser(user, ending.continue);
    ending.fail = collectContext(context, ending.continue);
    if (isOpen) taken.globals = collectGlobals();
    if (isOpen || login.shared !== undefined) login.isMore = true;
  } catch (error) {
    login.isMore = true;
    taken.broken = { error }; // The engine's to tell, not the rule's to catch.
  }
}

/** Adds what later rules see, of metadata what is not stored: Auth0's API stores what it is sent, however late. */
function share(members) {
  const { app_metadata, broken, deleted, globals, user_metadata } = login.taken;
  if (broken !== undefined) throw broken.error;
  let transient;
  if (user_metadata !== undefined || deleted !== undefined) transient = withUnsaved(transient, "user_metadata");
  if (app_metadata !== undefined || deleted !== undefined) transient = withUnsaved(transient, "app_metadata");
  const shared = sharedWith(globals, transient);
  if (shared !== undefined) put(members, "shared", host.changes("shared", shared));
}

function put(members, name, value) {
  if (value !== undefined) members[name] = value;
}

function ignored(what, key) {
  log(LEVEL.warn, `ignored: ${what}.${key} is the host's, no rule can change it`);
}

function collectUser(user, members) {
  const changes = host.changes("user", user);
  let root;
  const names = keysOf(changes);
  for (let at = 0; at < names.length; at++) {
    const name = names[at];
    if (name === "app_metadata" || name === "user_metadata") {
      login.isMore = true;
      login.taken[name] = host.changes(`user.${name}`, user[name]);
    } else if (name in BY_NAME) {
      log(LEVEL.warn, `user.${name} was changed: dropped unless \`writes\` names it; there later rules and the tokens follow it, and nobody stores it`);
      root = withMember(root, name, changes[name]);
    } else if (isHostsUserKey(name)) {
      ignored("user", name);
    } else if (!isCovered(user, name, changes[name])) {
      root = withMember(root, name, changes[name]);
    }
  }
  put(members, "user", root);
  if (login.shared !== undefined) collectEarlierDeletions(user);
}

/** A key that an earlier rule deleted in memory stays deleted, though this rule was never given it. */
function collectEarlierDeletions(user) {
  for (const bag of BAGS) {
    const earlier = login.shared[TRANSIENT[bag]];
    if (earlier === undefined || earlier === null) continue;
    for (const key of keysOf(earlier)) {
      if (earlier[key] === null && !hasOwn(user[bag] ?? {}, key)) ((login.taken.deleted ??= {})[bag] ??= { __proto__: null })[key] = null;
    }
  }
}

/** With what a rule changed in a bag without storing it: later rules see it. */
function withUnsaved(transient, bag) {
  const { deleted } = login.taken;
  let changes = login.taken[bag];
  const writes = login.writes[bag];
  for (const key of keysOf(changes)) {
    if (writes !== undefined && hasOwn(writes, key) && toJson(writes[key]) === toJson(changes[key])) {
      delete changes[key];
    } else {
      changes[key] ??= null;
    }
  }
  if (deleted !== undefined) {
    for (const key of keysOf(deleted[bag])) if (writes === undefined || !hasOwn(writes, key)) changes = withMember(changes, key, null);
  }
  return changes === undefined || isEmpty(changes) ? transient : withMember(transient, TRANSIENT[bag], changes);
}

/** Whether it is what `app_metadata` has: the very object, or what an earlier rule changed there. */
function isCovered(user, name, value) {
  if (typeof value === "object" && value !== null && value === user.app_metadata?.[name]) return true;
  const { covered } = login;
  return covered !== undefined && name in covered && (value === covered[name] || toJson(value) === toJson(covered[name]));
}

function collectContext(context, members) {
  const changes = host.changes("context", context);
  if (changes === undefined) return undefined;
  let rest;
  let problem;
  const names = keysOf(changes);
  for (let at = 0; at < names.length; at++) {
    const name = names[at];
    const value = changes[name];
    if (name === "idToken") put(members, "id_token", host.changes("context.idToken", value));
    else if (name === "accessToken") takeAccessToken(host.changes("context.accessToken", value), members);
    else if (name === "multifactor") takeSecondFactor(value, members);
    else if (name === "redirect") problem = takeRedirect(value, members);
    else if (name in HOSTS_CONTEXT || name in HOSTS_ALONE) ignored("context", name);
    else rest = withMember(rest, name, value);
  }
  put(members, "context", rest);
  return problem;
}

/** the scope is no claim. */
function takeAccessToken(claims, members) {
  if (claims === undefined) return;
  if (hasOwn(claims, "scope")) {
    const { scope } = claims;
    if (scope !== null) members.scope = typeof scope === "string" ? scope.split(" ").filter(Boolean) : scope;
    delete claims.scope;
    if (isEmpty(claims)) return;
  }
  members.access_token = claims;
}

/** Assurance only goes up: `none` asks for nothing. */
function takeSecondFactor(multifactor, members) {
  if (multifactor === null || typeof multifactor !== "object" || multifactor.provider === "none") {
    log(LEVEL.warn, "ignored: a rule cannot lift a second factor, only demand one");
    return;
  }
  const remember = multifactor.allowRememberBrowser === true && multifactor.ignoreCookie !== true;
  members.second_factor = { allow_remember_browser: remember };
}

/** A gate without an address would be an open door: that fails. */
function takeRedirect(redirect, members) {
  if (redirect === null) return undefined;
  if (typeof redirect.url !== "string" || redirect.url === "") return "context.redirect has no `url` that is a string";
  members.redirect = { url: escapeSpaces(redirect.url) };
  return undefined;
}

/** As browsers read it: a space in it is escaped, line ends and what is around it are not there. */
export const escapeSpaces = (url) => (/\s/.test(url) ? url.trim().replace(/[\t\n\r]/g, "").replace(/\s/g, encodeURIComponent) : url);

/** Applies what earlier rules changed in memory; gives what that makes of the user's root (U-2). */
export function applyTransient(user, shared) {
  let covered;
  for (const bag of BAGS) {
    const changes = shared[TRANSIENT[bag]];
    if (changes === undefined || changes === null) continue;
    const metadata = (user[bag] ??= {});
    for (const key of keysOf(changes)) {
      const value = changes[key];
      if (value === null) delete metadata[key];
      else metadata[key] = value;
      if (bag !== "app_metadata" || isHostsUserKey(key)) continue;
      if (value === null) delete user[key];
      else user[key] = value;
      covered = withMember(covered, key, value);
    }
  }
  return covered;
}
