// Looking at objects that a rule had in its hands: own keys only, with the language's functions as they were before the
// rule could replace them. What a rule puts on `Object.prototype` is its own affair.

const { hasOwn, keys } = Object;
const { parse, stringify } = JSON;

export { hasOwn, parse as fromJson, stringify as toJson };

/** The own keys of an object; none of `undefined`. */
export const keysOf = (object) => (object === undefined ? [] : keys(object));

export const isEmpty = (object) => keys(object).length === 0;

/** Names to be found by `in`. */
export function setOf(names) {
  const set = { __proto__: null };
  for (const name of names) set[name] = true;
  return set;
}

/** With one member more; made, without a prototype, when it is the first. */
export function withMember(object, name, value) {
  object ??= { __proto__: null };
  object[name] = value;
  return object;
}
