// `structuredClone`: values, not what they do. A function has no copy.

const { keys } = Object;
const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function refused(value) {
  let text;
  try {
    text = String(value);
  } catch {
    text = "#<Object>";
  }
  return Object.assign(new Error(`${text} could not be cloned.`), { name: "DataCloneError", code: 25 });
}

function copy(value, seen) {
  if (typeof value === "function" || typeof value === "symbol") throw refused(value);
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (made) => {
    seen.set(value, made);
    return made;
  };
  const filled = (made, members = keys(value)) => {
    keep(made);
    // Not by assignment: a key may be `__proto__`.
    for (const key of members) Object.defineProperty(made, key, { value: copy(value[key], seen), writable: true, enumerable: true, configurable: true });
    return made;
  };
  if (Array.isArray(value)) {
    const made = [];
    made.length = value.length;
    return filled(made);
  }
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof Map) {
    const made = keep(new Map());
    for (const [key, member] of value) made.set(copy(key, seen), copy(member, seen));
    return made;
  }
  if (value instanceof Set) {
    const made = keep(new Set());
    for (const member of value) made.add(copy(member, seen));
    return made;
  }
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (value instanceof DataView) return keep(new DataView(copy(value.buffer, seen), value.byteOffset, value.byteLength));
  if (ArrayBuffer.isView(value)) {
    const plain = value instanceof Uint8Array ? Uint8Array : value.constructor; // A `Buffer` comes out as its bytes.
    return keep(new plain(copy(value.buffer, seen), value.byteOffset, value.length));
  }
  if (value instanceof Error) {
    const made = Object.create((ERRORS[value.name] ?? Error).prototype);
    const message = Object.getOwnPropertyNames(value).filter((name) => ["message", "stack", "cause"].includes(name));
    keep(made);
    for (const name of message) Object.defineProperty(made, name, { value: copy(value[name], seen), writable: true, configurable: true });
    return made;
  }
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) throw refused(value);
  if (value instanceof Boolean || value instanceof Number || value instanceof String) return keep(Object(value.valueOf()));
  return filled({});
}

module.exports = { structuredClone: (value) => copy(value, new Map()) };
