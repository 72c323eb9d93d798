// One login: what came in, what was asked for, what is still outstanding. A snapshot serves one login, but the tests
// and the measurements start many on one heap, so that `begin` makes all of it anew.

import host, { LEVEL, log } from "./host.js";
import { describe, refusal } from "./errors.js";
import { fromJson, toJson } from "./own.js";
import { forgetTimers, runTimer } from "./timers.js";

/** The login that runs, or the one that ran last. */
export let login;

export function begin(user, context, configuration, shared) {
  forgetTimers();
  delete context.now; // The clock and the randomness are made of them; rules never had them.
  delete context.seed;
  login = {
    user,
    context,
    configuration,
    shared,
    /** How the rule ended: `{ refused }` or `{ user, context }`; the first end counts. */
    end: undefined,
    /** By handle, what takes the answer; made by the first request. */
    requests: undefined,
    /** First-level keys to store; `null` deletes. */
    writes: { user_metadata: undefined, app_metadata: undefined },
    /** What the prelude put into the context and merged over the user's root. */
    filled: undefined,
    merged: undefined,
    /** What makes the answer, where it is not a rule's. */
    finish: undefined,
  };
  return login;
}

/** Ends the rule, unless it has ended. */
export function conclude(end) {
  if (login.end !== undefined) {
    const what = end.refused === undefined ? "callback was called again" : `after callback: ${end.refused.reason}`;
    log(LEVEL.warn, `ignored: ${what}`);
    return;
  }
  login.end = end;
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

/** Starts a request; `settle` gets `{ status, headers, body }` or `{ error }`. */
export function sendRequest(head, body, settle) {
  const handle = host.httpStart(toJson(head), body);
  login.requests ??= new Map();
  login.requests.set(handle, settle);
}

/** What the engine has to wait for: handles, `true` for having run a timer, `false` for nothing. */
export function waiting() {
  const outstanding = login.requests !== undefined && login.requests.size > 0;
  if (login.end === undefined && runTimer(outstanding, guarded)) return true;
  return outstanding ? Array.from(login.requests.keys()) : false;
}

export function arrived(handle) {
  const settle = login.requests.get(handle);
  login.requests.delete(handle);
  const result = fromJson(host.httpResult(handle));
  if (result.error === undefined) result.body = host.httpBody(handle);
  guarded(() => settle(result));
}
