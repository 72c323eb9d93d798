// `global`: fresh for each login, shared by the rules of one login as far as it is JSON.
//
// What an earlier rule left becomes a global when the login starts. What this rule put there is collected only if it
// named `global` at all.

import { LEVEL, log } from "./host.js";
import { login } from "./login.js";
import { hasOwn, keysOf } from "./own.js";

const { getPrototypeOf, prototype: plain } = Object;
const { isArray } = Array;

/** Where in-memory changes of metadata travel to later rules; never globals. */
export const TRANSIENT = { user_metadata: "user.user_metadata", app_metadata: "user.app_metadata" };
const isTransient = (key) => key === TRANSIENT.user_metadata || key === TRANSIENT.app_metadata;

/** Whether a rule of this login has named it. */
export let isOpen = false;
let own = new Set();

/** Begins a login. */
export function closeShared() {
  isOpen = false;
}

/** Called at deploy, when everything that belongs to the engine is there. */
export function markOwnGlobals() {
  own = new Set(Object.keys(globalThis));
  Object.defineProperty(globalThis, "global", {
    get() {
      isOpen = true;
      return globalThis;
    },
    set() {},
    configurable: true,
    enumerable: false,
  });
}

/** Puts there what earlier rules left. A name of the engine's own stays what it is. */
export function openShared(shared) {
  for (const key of keysOf(shared)) {
    if (isTransient(key)) continue;
    isOpen = true;
    if (!(key in globalThis)) globalThis[key] = shared[key];
  }
}

/** Deeper than the host takes it. */
const DEEPEST = 30;

/** Whether a value is the same to a later rule, where it arrives as JSON: none of functions, clients, circles. */
function isJson(value, above = []) {
  if (typeof value !== "object" || value === null) return typeof value !== "function" && typeof value !== "symbol";
  if (above.includes(value) || above.length > DEEPEST) return false;
  if (typeof value.toJSON === "function") return true;
  if (!isArray(value) && getPrototypeOf(value) !== plain && getPrototypeOf(value) !== null) return false;
  return keysOf(value).every((key) => isJson(value[key], [...above, value]));
}

/** The globals that later rules shall see. */
export function collectGlobals() {
  const globals = {};
  for (const key of keysOf(globalThis)) {
    if (own.has(key)) continue;
    if (isJson(globalThis[key])) {
      globals[key] = globalThis[key];
    } else {
      const what = typeof globalThis[key] === "function" ? "a function" : "more than JSON";
      log(LEVEL.warn, `global.${key} is ${what}: later rules do not see it, only JSON values are passed on`);
    }
  }
  return globals;
}

/** All that later rules shall see, or `undefined` where nobody looked. */
export function sharedWith(globals, transient) {
  const before = login.shared;
  const hadTransient = before !== undefined && (hasOwn(before, TRANSIENT.user_metadata) || hasOwn(before, TRANSIENT.app_metadata));
  if (globals === undefined && transient === undefined && !hadTransient) return undefined;
  return { ...globals, ...transient };
}
