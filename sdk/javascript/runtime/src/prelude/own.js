// Looking at objects that a rule had in its hands: own keys only, with the language's functions as they were before the
// rule could replace them. What a rule puts on `Object.prototype` is its own affair.

const { hasOwn, keys, values } = Object;
const { parse, stringify } = JSON;

export { hasOwn, values as valuesOf, parse as fromJson, stringify as toJson };

/** The own keys of an object; none of `undefined`. */
export const keysOf = (object) => (object === undefined ? [] : keys(object));

export const isEmpty = (object) => keys(object).length === 0;
