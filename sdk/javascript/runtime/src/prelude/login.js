// One login: what came in, what was asked for, what is still outstanding. A heap serves one login, but for the tests, which
// start many on one.

import host, { LEVEL, log } from "./host.js";
import { describe, refusal } from "./errors.js";
import { fromJson, keysOf, toJson } from "./own.js";
import { dropTimers, forgetTimers, runTimer, started } from "./timers.js";

const fresh = () => ({
  user: undefined,
  context: undefined,
  shared: undefined,
  /** How the rule ended: `{ refused }`, which is `undefined` where it goes on; the first end counts. */
  end: undefined,
  /** Beside the members of its answer, what was taken when the rule ended and is put together when all has. */
  taken: { app_metadata: undefined, user_metadata: undefined, deleted: undefined, globals: undefined, broken: undefined },
  /** Whether there is any of that. */
  isMore: false,
  /** Whether the answer shares objects with the rule. */
  isAttached: true,
  /** By handle, what takes the answer; made by the first request. */
  requests: undefined,
  /** First-level keys to store; `null` deletes. */
  writes: { user_metadata: undefined, app_metadata: undefined },
  /** What earlier rules' changes of `app_metadata` made of the user's root, by name; mostly nothing. */
  covered: undefined,
  /** What the engine is told at the end. A rule may have put anything on `Object.prototype`: this has none. */
  ending: { __proto__: null, deny: undefined, fail: undefined, noCallback: undefined, continue: { __proto__: null } },
  /** What makes the answer, where it is not a rule's. */
  finish: undefined,
});

/** The login that runs, or the one that ran last. */
export let login = fresh();

export function begin(user, context, shared) {
  if (login.user !== undefined) reset();
  login.user = user;
  login.context = context;
  login.shared = shared;
  return login;
}

/** As if no login had run: at the end of making the heap, and where one heap serves many. */
export function reset() {
  forgetTimers();
  login = fresh();
}

/** Ends the rule, unless it has ended; gives whether it did. Whoever ends it takes the answer there and then. */
export function conclude(end) {
  if (login.end !== undefined) {
    const what = end.refused === undefined ? "callback was called again" : `after callback: ${end.refused.reason}`;
    log(LEVEL.warn, `ignored: ${what}`);
    return false;
  }
  login.end = end;
  return true;
}

// INVARIANT: nothing that runs late changes the answer. Its members are taken when the rule ends; what is inside of them
// is detached before the first late timer or reply, so that a rule without those pays nothing for it.
function detach() {
  const { ending, taken } = login;
  login.isAttached = false;
  if (taken.broken !== undefined) return;
  try {
    for (const parts of [ending.continue, taken]) for (const name of keysOf(parts)) parts[name] = host.wire(parts[name]);
  } catch (error) {
    login.isMore = true;
    taken.broken = { error };
  }
}

/** Ends the rule as an uncaught exception does. */
export function refuse(error) {
  if (login.end === undefined) log(LEVEL.error, describe(error));
  conclude({ refused: refusal(error) });
}

/** Runs code of the author's. */
export function guarded(run) {
  try {
    run();
  } catch (error) {
    refuse(error);
  }
}

/** Runs what a timer or a reply begins. */
function guardedTurn(run) {
  if (login.end !== undefined && login.isAttached) detach();
  guarded(run);
}

/** Starts a request; `settle` gets `{ status, headers, body }` or `{ error }`. */
export function sendRequest(head, body, settle) {
  const handle = host.httpStart(toJson(head), body);
  login.requests ??= new Map();
  login.requests.set(handle, settle);
}

/** What the engine has to wait for: handles, `true` for having run a timer, `false` for nothing. */
export function waiting() {
  const outstanding = login.requests !== undefined && login.requests.size > 0;
  if (started > 0 && runTimer(outstanding, login.end !== undefined, guardedTurn)) return true;
  if (outstanding) return Array.from(login.requests.keys());
  if (started > 0) dropTimers();
  return false;
}

export function arrived(handle) {
  const settle = login.requests.get(handle);
  login.requests.delete(handle);
  const result = fromJson(host.httpResult(handle));
  if (result.error === undefined) result.body = host.httpBody(handle);
  guardedTurn(() => settle(result));
}
