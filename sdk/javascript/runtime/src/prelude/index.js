// The first script of every JavaScript rule: what it finds on `globalThis`, and what the engine drives it by.
//
// Evaluated once, when the engine is made; modules and the author's source follow; then the heap is kept.

import host, { log } from "./host.js"; // First: takes `__host` away.
import { escapeSpaces, finish } from "./answer.js";
import { auth0, ACCESS_TOKEN } from "./auth0.js";
import { console, format } from "./console.js";
import { define } from "./define.js";
import { messageOf, refusal, setAuthor, UnauthorizedError } from "./errors.js";
import { assume, coverRoot, namedIn } from "./event.js";
import { arrived, begin, conclude, guarded, login, refuse, reset, sendRequest, waiting } from "./login.js";
import { managementError, profile, stage, update } from "./metadata.js";
import { module, provide, require } from "./modules.js";
import { setRule, startRule } from "./rules.js";
import { markOwnGlobals } from "./shared.js";
import { timerFunctions } from "./timers.js";

delete globalThis.performance; // A clock.
define("console", console);
define("UnauthorizedError", UnauthorizedError);
define("auth0", auth0);
define("configuration", {});
define("require", require);
for (const [name, timer] of Object.entries(timerFunctions)) define(name, timer);
const environment = {};
define("process", {
  env: environment,
  version: "v18.0.0",
  versions: { node: "18.0.0" },
  platform: "vestibule",
  nextTick: (callback, ...values) => timerFunctions.queueMicrotask(() => callback(...values)),
});

// What our own modules are made with; authors have no use for it.
provide("vestibule:internals", {
  ACCESS_TOKEN,
  begin,
  conclude,
  escapeSpaces,
  format,
  guarded,
  host,
  log,
  get login() {
    return login;
  },
  managementError,
  messageOf,
  profile,
  refusal,
  refuse,
  sendRequest,
  stage,
  update,
});

let hasModules = false;

/** What a module's bundle calls; gone before the author's code can run. */
define("__vestibuleModule", (names, globals, factory) => {
  hasModules = true;
  module(names, globals, factory);
});

/** What the engine calls. `start` is given the event: `shared` only where an earlier rule left something there. */
const vestibule = {
  /** At deploy: takes what the author's source evaluated to. */
  define(kind, value) {
    delete globalThis.__vestibuleModule;
    if (kind === "action") {
      assume();
      coverRoot();
      vestibule.start = require("vestibule:actions").define(value);
    } else {
      if (typeof value !== "function") {
        throw new TypeError(`a rule is a function (user, context, callback), this source is ${typeof value}`);
      }
      assume(hasModules ? undefined : namedIn(Function.prototype.toString.call(value)));
      coverRoot();
      setRule(value);
    }
    setAuthor(value);
    markOwnGlobals();
  },

  start: startRule,
  waiting,
  arrived,
  /** A promise that was rejected, and nobody takes it: an uncaught exception. */
  rejected: refuse,
  finish: () => (login.finish ?? finish)(),
};
define("__vestibule", vestibule);

// What the engine makes on first use is part of the heap that is kept: the functions of the language that rules call most,
// and all that one login needs.
const USUAL = [
  [Array.prototype, "concat every filter find forEach includes indexOf join map push reduce slice some sort"],
  [String.prototype, "endsWith includes indexOf match replace slice split startsWith substring toLowerCase toUpperCase trim"],
  [Object, "assign entries keys values"],
  [Array, "isArray"],
  [JSON, "parse stringify"],
  [Math, "floor max min random round"],
  [Date, "now"],
  [Date.prototype, "getTime toISOString"],
  [Promise, "all reject resolve"],
  [Promise.prototype, "catch finally then"],
  [RegExp.prototype, "exec test"],
];
for (const [object, names] of USUAL) names.split(" ").forEach((name) => object[name]);

setRule((user, context, callback) => {
  auth0.users.updateAppMetadata(user.user_id, { seen: 1 });
  callback(null, user, context);
});
startRule({ user_id: "auth0|warm", app_metadata: {} }, { idToken: {} }, {}, undefined);
waiting();
finish();
reset();
