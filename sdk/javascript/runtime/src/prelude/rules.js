// The contract of Auth0 Rules (auth0-behaviour §3): `function (user, context, callback)`.

import { applyTransient, take } from "./answer.js";
import { begin, conclude, login, refuse } from "./login.js";
import { refusal, describe } from "./errors.js";
import { LEVEL, log } from "./host.js";
import { closeShared, openShared } from "./shared.js";

let rule;

/** At deploy: the author's function. */
export function setRule(author) {
  rule = author;
}

/** Calls the rule. It ends with its first `callback`, or with what it throws before that. */
export function startRule(user, context, configuration, shared) {
  begin(user, context, shared);
  closeShared();
  if (shared !== undefined) {
    login.covered = applyTransient(user, shared);
    openShared(shared);
  }
  globalThis.configuration = configuration;
  try {
    const result = rule(user, context, callback);
    // The promise of an async rule is no sign of completion, but its rejection is an uncaught exception.
    if (result !== undefined && typeof result?.then === "function") result.then(undefined, refuse);
  } catch (error) {
    refuse(error);
  }
}

function callback(error, user, context) {
  if (error) {
    if (typeof error === "object" && error.stack !== undefined) log(LEVEL.info, describe(error));
    conclude({ refused: refusal(error) });
  } else {
    if (conclude({ refused: undefined })) take(object(user, login.user), object(context, login.context));
  }
}

function object(given, otherwise) {
  return typeof given === "object" && given !== null ? given : otherwise;
}
