// Node's `crypto`, as far as rules use it: hashes, HMACs, key derivation, randomness of the login.

const { host } = require("vestibule:internals");
const { Buffer } = require("buffer");

/** As the host numbers them. */
const HASHES = { md5: 0, sha1: 1, sha224: 2, sha256: 3, sha384: 4, sha512: 5, ripemd160: 6, rmd160: 6 };
const LARGEST = 65_536;
/** What the host hashes at once, and the longest key that it derives. */
const MOST = 1_048_576;
const LONGEST_KEY = 1_024;

function hashOf(name) {
  const hash = HASHES[String(name).toLowerCase().replace(/^rsa-/, "").replace("sha-", "sha")];
  if (hash === undefined) throw new Error("Digest method not supported");
  return hash;
}

function within(most, what, length) {
  if (!(length <= most)) throw new RangeError(`${what} of ${length} bytes: a rule can have ${most} at most`);
}

function bytes(data, encoding) {
  if (typeof data === "string") return Buffer.from(data, encoding === "buffer" ? "utf8" : encoding);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const error = new TypeError('The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView.');
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

function encoded(digest, encoding) {
  const buffer = Buffer.from(digest);
  if (encoding === undefined || encoding === null || encoding === "buffer") return buffer;
  return buffer.toString(encoding);
}

/** Collects what is to be hashed; the host hashes it as one. */
class Digester {
  constructor(hash) {
    this.hash = hash;
    this.parts = [];
    this.length = 0;
  }
  update(data, encoding) {
    if (this.parts === undefined) throw finalized();
    const part = Buffer.from(bytes(data, encoding));
    this.length += part.length;
    within(MOST, "something to hash", this.length);
    this.parts.push(part);
    return this;
  }
  digest(encoding) {
    if (this.parts === undefined) throw finalized();
    const data = this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts);
    this.parts = undefined;
    return encoded(this.hash(data), encoding);
  }
}

const finalized = () => Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });

exports.createHash = function createHash(name) {
  const hash = hashOf(name);
  return new Digester((data) => host.digest(hash, data));
};
exports.createHmac = function createHmac(name, key) {
  const hash = hashOf(name);
  const secret = Buffer.from(bytes(key));
  within(MOST, "a key", secret.length);
  return new Digester((data) => host.hmac(hash, secret, data));
};
exports.getHashes = () => Object.keys(HASHES);

/** Random bytes of this login: the same login gives the same bytes. */
exports.randomBytes = function randomBytes(size, callback) {
  if (!(size >= 0 && size <= LARGEST)) throw new RangeError(`The value of "size" is out of range. Received ${size}`);
  const random = Buffer.from(host.randomBytes(size));
  if (typeof callback !== "function") return random;
  Promise.resolve().then(() => callback(null, random));
  return undefined;
};
exports.pseudoRandomBytes = exports.randomBytes;
exports.randomFillSync = function randomFillSync(target, offset = 0, size = target.byteLength - offset) {
  const view = new Uint8Array(target.buffer ?? target, target.byteOffset ?? 0, target.byteLength);
  view.set(new Uint8Array(host.randomBytes(size)), offset);
  return target;
};
exports.getRandomValues = (target) => exports.randomFillSync(target);
exports.randomInt = function randomInt(low, high) {
  const [least, end] = high === undefined ? [0, low] : [low, high];
  const range = end - least;
  const limit = Math.floor(2 ** 48 / range) * range;
  for (;;) {
    const number = exports.randomBytes(6).readUIntBE(0, 6);
    if (number < limit) return least + (number % range);
  }
};
exports.randomUUID = function randomUUID() {
  const random = exports.randomBytes(16);
  random[6] = (random[6] & 0x0f) | 0x40;
  random[8] = (random[8] & 0x3f) | 0x80;
  return random.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};
exports.timingSafeEqual = function timingSafeEqual(one, other) {
  const left = bytes(one);
  const right = bytes(other);
  if (left.length !== right.length) throw new RangeError("Input buffers must have the same byte length");
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= left[at] ^ right[at];
  return difference === 0;
};
exports.pbkdf2Sync = function pbkdf2Sync(password, salt, iterations, length, digest = "sha1") {
  const hash = hashOf(digest);
  if (!(iterations >= 1 && iterations < 2 ** 32)) throw new RangeError(`The value of "iterations" is out of range. Received ${iterations}`);
  within(LONGEST_KEY, "a key", length);
  const [from, grain] = [bytes(password), bytes(salt)];
  within(MOST, "a password or salt", Math.max(from.length, grain.length));
  return length === 0 ? Buffer.alloc(0) : encoded(host.pbkdf2(hash, from, grain, iterations, length));
};
exports.pbkdf2 = function (password, salt, iterations, length, digest, callback) {
  const settle = callback ?? digest;
  const key = exports.pbkdf2Sync(password, salt, iterations, length, callback === undefined ? "sha1" : digest);
  Promise.resolve().then(() => settle(null, key));
};
exports.webcrypto = { getRandomValues: exports.getRandomValues, randomUUID: exports.randomUUID };

// Keys and ciphers need native code: they are there by name, and say so.
const SIGNATURES = ["createSign", "createVerify", "sign", "verify"];
const OTHERS = ["createCipher", "createCipheriv", "createDecipher", "createDecipheriv", "createDiffieHellman", "createECDH", "createPrivateKey", "createPublicKey", "generateKeyPair", "generateKeyPairSync", "publicEncrypt", "publicDecrypt", "privateEncrypt", "privateDecrypt", "scrypt", "scryptSync"];
for (const name of [...SIGNATURES, ...OTHERS]) {
  const what = SIGNATURES.includes(name) ? "signatures by public keys (RS256, ES256) need more than a rule has" : "it has hashes, HMACs, pbkdf2 and random bytes";
  exports[name] = () => {
    throw new Error(`crypto.${name} is not available in a rule: ${what}; let a service behind an HTTP grant do it`);
  };
}
