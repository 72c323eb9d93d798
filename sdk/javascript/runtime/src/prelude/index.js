// The first script of every JavaScript rule: what it finds on `globalThis`, and what the engine drives it by.
//
// Evaluated once, when the engine is made; modules and the author's source follow; then the heap is kept.

import host, { log } from "./host.js"; // First: takes `__host` away.
import { finish } from "./answer.js";
import { auth0, ACCESS_TOKEN } from "./auth0.js";
import { console, format } from "./console.js";
import { define } from "./define.js";
import { messageOf, refusal, UnauthorizedError } from "./errors.js";
import { assumeFor, fillContext } from "./event.js";
import { arrived, begin, conclude, guarded, login, refuse, sendRequest, waiting } from "./login.js";
import { managementError, profile, stage, update } from "./metadata.js";
import { module, provide, require } from "./modules.js";
import { startRule } from "./rules.js";
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
  fillContext,
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
let start;

/** What a module's bundle calls; gone before the author's code can run. */
define("__vestibuleModule", (names, globals, factory) => {
  hasModules = true;
  module(names, globals, factory);
});

define("__vestibule", {

  /** At deploy: takes what the author's source evaluated to. */
  define(kind, value) {
    delete globalThis.__vestibuleModule;
    if (kind === "action") {
      start = require("vestibule:actions").define(value);
    } else {
      if (typeof value !== "function") {
        throw new TypeError(`a rule is a function (user, context, callback), this source is ${typeof value}`);
      }
      assumeFor(Function.prototype.toString.call(value), hasModules);
      start = (...event) => startRule(value, ...event);
    }
    markOwnGlobals();
  },

  start(user, context, configuration, shared) {
    start(user, context, configuration, shared);
  },
  waiting,
  arrived,
  /** A promise that was rejected, and nobody takes it: an uncaught exception. */
  rejected: refuse,
  finish: () => (login.finish ?? finish)(),
});

// One login is run here, so that what the engine makes on first use is part of the heap that is kept.
startRule((user, context, callback) => callback(null, user, context), { app_metadata: { a: 1 } }, { now: 0 }, {}, {});
waiting();
finish();
