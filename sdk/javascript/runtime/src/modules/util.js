// Node's `util`, as far as libraries and rules use it.

const { format } = require("vestibule:internals");

const promisified = Symbol.for("nodejs.util.promisify.custom");

function promisify(call) {
  if (typeof call !== "function") throw new TypeError('The "original" argument must be of type function');
  if (call[promisified]) return call[promisified];
  return function (...values) {
    return new Promise((resolve, reject) => {
      call.call(this, ...values, (error, value) => (error ? reject(error) : resolve(value)));
    });
  };
}
promisify.custom = promisified;

module.exports = {
  callbackify: (call) => (...values) => {
    const callback = values.pop();
    call(...values).then((value) => callback(null, value), callback);
  },
  deprecate: (call) => call,
  format,
  inherits(constructor, parent) {
    constructor.super_ = parent;
    Object.setPrototypeOf(constructor.prototype, parent.prototype);
  },
  inspect: (value) => (typeof value === "string" ? `'${value}'` : format(value)),
  isArray: Array.isArray,
  isDeepStrictEqual: (one, other) => JSON.stringify(one) === JSON.stringify(other),
  isFunction: (value) => typeof value === "function",
  isObject: (value) => typeof value === "object" && value !== null,
  isString: (value) => typeof value === "string",
  promisify,
  types: { isDate: (value) => value instanceof Date, isRegExp: (value) => value instanceof RegExp },
};
