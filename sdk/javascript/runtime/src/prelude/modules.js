// `require`: the modules that were put into this rule's snapshot.

import { define } from "./define.js";

const loaded = new Map();

/** The name without `node:` and without a version: any version asked for is the one that is here. */
export function moduleName(asked) {
  const name = String(asked).replace(/^node:/, "");
  const version = name.indexOf("@", 1);
  return version < 0 ? name : name.slice(0, version);
}

/** Puts a module of the prelude itself there. */
export function provide(name, exports) {
  loaded.set(name, exports);
}

export function require(asked) {
  const name = moduleName(asked);
  if (loaded.has(name)) return loaded.get(name);
  const error = new Error(`Cannot find module '${asked}': it is not among the modules that Vestibule has for rules`);
  error.code = "MODULE_NOT_FOUND";
  throw error;
}

/** Called by each module's bundle, at deploy. `names` holds its own and its aliases. */
export function module(names, globals, factory) {
  const made = { exports: {} };
  factory(made, made.exports, require);
  for (const name of names) loaded.set(name, made.exports);
  for (const [name, member] of Object.entries(globals)) {
    define(name, member === "" ? made.exports : made.exports[member]);
  }
}
