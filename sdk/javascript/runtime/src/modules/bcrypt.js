// `bcrypt`: its calls as they are, its work by the host.
//
// Cost 10 takes two thirds of what a rule may spend; 11 more than there is.

const { host } = require("vestibule:internals");
const { Buffer } = require("buffer");

const SALT_BYTES = 16;
const COST = 10;
/** Version, cost and salt; behind it, in a hash, the digest. */
const SALT = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})/;
const HASH = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;

/** The digits of base64, and those of bcrypt. */
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const OURS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const encoded = (bytes) => Buffer.from(bytes).toString("base64").replace(/=/g, "").replace(/./g, (digit) => OURS[DIGITS.indexOf(digit)]);
const decoded = (text) => Buffer.from(text.replace(/./g, (digit) => DIGITS[OURS.indexOf(digit)]), "base64");

function isData(data) {
  return typeof data === "string" || data instanceof Uint8Array;
}

const clamped = (rounds) => Math.min(31, Math.max(4, Math.floor(rounds)));

function genSaltSync(rounds = COST, minor = "b") {
  if (typeof rounds !== "number" && !rounds) rounds = COST;
  if (typeof rounds !== "number") throw new Error("rounds must be a number");
  if (minor !== "a" && minor !== "b") throw new Error('minor must be either "a" or "b"');
  return `$2${minor}$${String(clamped(rounds)).padStart(2, "0")}$${encoded(host.randomBytes(SALT_BYTES))}`;
}

function hashSync(data, salt) {
  if (data == null || salt == null) throw new Error("data and salt arguments required");
  if (!isData(data) || (typeof salt !== "string" && typeof salt !== "number")) {
    throw new Error("data must be a string or Buffer and salt must either be a salt string or a number of rounds");
  }
  const whole = typeof salt === "number" ? genSaltSync(salt) : salt;
  const [prefix, cost, grain] = SALT.exec(whole) ?? [];
  if (prefix === undefined) throw new Error("Invalid salt. Salt must be in the form of: $Vers$log2(NumRounds)$saltvalue");
  return prefix + encoded(host.bcrypt(Buffer.from(data), decoded(grain), Number(cost)));
}

function compareSync(data, hash) {
  if (data == null || hash == null) throw new Error("data and hash arguments required");
  if (!isData(data) || typeof hash !== "string") throw new Error("data must be a string or Buffer and hash must be a string");
  if (!HASH.test(hash)) return false;
  const own = hashSync(data, hash);
  let difference = 0;
  for (let at = 0; at < hash.length; at++) difference |= own.charCodeAt(at) ^ hash.charCodeAt(at);
  return difference === 0;
}

function getRounds(hash) {
  if (hash == null) throw new Error("hash argument required");
  if (typeof hash !== "string") throw new Error("hash must be a string");
  return Number(SALT.exec(hash)?.[1] ?? 0);
}

/** The same with a callback at the end, or a promise. */
function later(work) {
  return (...options) => {
    const callback = typeof options.at(-1) === "function" ? options.pop() : undefined;
    const result = Promise.resolve().then(() => work(...options));
    if (callback === undefined) return result;
    result.then(
      (value) => callback(null, value),
      (error) => callback(error),
    );
    return undefined;
  };
}

module.exports = {
  genSaltSync,
  genSalt: later(genSaltSync),
  hashSync,
  hash: later(hashSync),
  compareSync,
  compare: later(compareSync),
  getRounds,
};
