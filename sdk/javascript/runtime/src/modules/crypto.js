// Node's `crypto`, as far as rules use it: hashes, HMACs, key derivation, randomness of the login.

const { host } = require("vestibule:internals");
const { Buffer } = require("buffer");
const { hmac } = require("@noble/hashes/hmac.js");
const { md5, ripemd160, sha1 } = require("@noble/hashes/legacy.js");
const { sha224, sha256, sha384, sha512 } = require("@noble/hashes/sha2.js");
const { pbkdf2 } = require("@noble/hashes/pbkdf2.js");

const HASHES = { md5, ripemd160, rmd160: ripemd160, sha1, sha224, sha256, sha384, sha512 };
const LARGEST = 65_536;

function hashOf(name) {
  const hash = HASHES[String(name).toLowerCase().replace(/^rsa-/, "").replace("sha-", "sha")];
  if (hash === undefined) throw new Error("Digest method not supported");
  return hash;
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
  const buffer = Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength);
  if (encoding === undefined || encoding === null || encoding === "buffer") return buffer;
  if (encoding === "base64url") return buffer.toString("base64").replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  return buffer.toString(encoding);
}

class Digester {
  constructor(state) {
    this.state = state;
  }
  update(data, encoding) {
    if (this.state === undefined) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.state.update(bytes(data, encoding));
    return this;
  }
  digest(encoding) {
    if (this.state === undefined) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    const digest = this.state.digest();
    this.state = undefined;
    return encoded(digest, encoding);
  }
}

exports.createHash = (name) => new Digester(hashOf(name).create());
exports.createHmac = (name, key) => new Digester(hmac.create(hashOf(name), bytes(key)));
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
  return encoded(pbkdf2(hashOf(digest), bytes(password), bytes(salt), { c: iterations, dkLen: length }));
};
exports.pbkdf2 = function (password, salt, iterations, length, digest, callback) {
  const settle = callback ?? digest;
  const key = exports.pbkdf2Sync(password, salt, iterations, length, callback === undefined ? "sha1" : digest);
  Promise.resolve().then(() => settle(null, key));
};
exports.webcrypto = { getRandomValues: exports.getRandomValues, randomUUID: exports.randomUUID };

// Keys and ciphers need native code: they are there by name, and say so.
for (const name of ["createSign", "createVerify", "createCipher", "createCipheriv", "createDecipher", "createDecipheriv", "createDiffieHellman", "createECDH", "generateKeyPair", "generateKeyPairSync", "publicEncrypt", "publicDecrypt", "privateEncrypt", "privateDecrypt", "scrypt", "scryptSync", "sign", "verify"]) {
  exports[name] = () => {
    throw new Error(`crypto.${name} is not available in a rule: it has hashes, HMACs, pbkdf2 and random bytes; let a service behind an HTTP grant do it`);
  };
}
