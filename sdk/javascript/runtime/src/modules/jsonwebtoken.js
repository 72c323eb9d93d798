// `jsonwebtoken`: the real one, which also takes the expiry options of its 0.4 line.

const jwt = require("jsonwebtoken/index.js");

const UNITS = { expiresInSeconds: 1, expiresInMinutes: 60 };

function modern(options) {
  if (typeof options !== "object" || options === null) return options;
  const { expiresInSeconds, expiresInMinutes, ...rest } = options;
  for (const name of Object.keys(UNITS)) {
    if (options[name] !== undefined) rest.expiresIn = options[name] * UNITS[name];
  }
  return rest;
}

module.exports = { ...jwt, sign: (payload, secret, options, callback) => jwt.sign(payload, secret, modern(options), callback) };
