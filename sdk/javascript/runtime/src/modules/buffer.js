// `buffer`: the real one, with its texts read and written by the engine. In JavaScript a kilobyte of text costs as much as
// a hundred rules.

const { host } = require("vestibule:internals");
const real = require("buffer/");

const { Buffer } = real;
const { from, byteLength } = Buffer;
const { toString, write } = Buffer.prototype;
const { fromBase64, fromHex } = Uint8Array;
const { toBase64, toHex } = Uint8Array.prototype;
const { isWellFormed, toWellFormed } = String.prototype;

const isUtf8 = (encoding) => encoding === undefined || encoding === "utf8" || encoding === "utf-8";
/** Half a surrogate pair has no place in UTF-8: as in Node, a replacement stands for it. */
const encoded = (text) => host.utf8Encode(isWellFormed.call(text) ? text : toWellFormed.call(text));

/** As far as it is hexadecimal; what comes behind is nothing to Node. */
function hexadecimal(text) {
  const [digits] = /^(?:[0-9a-f]{2})*/i.exec(text);
  return fromHex === undefined ? from(digits, "hex") : fromHex(digits);
}

/** Bytes, or `undefined` for what is no base64: there Node reads what can be read, and so does the real one. */
function base64(text) {
  try {
    return fromBase64?.(text);
  } catch {
    return undefined;
  }
}

/** As `base64`, with the two digits that are safe in URLs and without its padding; the real one does not know it. */
const isUrlSafe = (encoding) => typeof encoding === "string" && encoding.toLowerCase() === "base64url";

const plain = (text) => text.replace(/-/g, "+").replace(/_/g, "/");

function read(text, encoding) {
  if (isUtf8(encoding)) return encoded(text);
  if (encoding === "hex") return hexadecimal(text);
  return encoding === "base64" ? base64(text) : undefined;
}

function written(bytes, encoding) {
  if (isUtf8(encoding)) return host.utf8Decode(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (encoding === "base64") return toBase64?.call(bytes);
  if (encoding === "hex") return toHex?.call(bytes);
  return undefined;
}

Buffer.from = function (value, encoding, length) {
  if (typeof value === "string" && isUrlSafe(encoding)) return Buffer.from(plain(value), "base64");
  const bytes = typeof value === "string" ? read(value, encoding) : undefined;
  return bytes === undefined ? from(value, encoding, length) : from(bytes);
};
Buffer.byteLength = (value, encoding) =>
  typeof value === "string" && isUtf8(encoding) ? encoded(value).byteLength : byteLength(value, isUrlSafe(encoding) ? "base64" : encoding);
const { isEncoding } = Buffer;
Buffer.isEncoding = (encoding) => isUrlSafe(encoding) || isEncoding(encoding);
/** What `new Buffer` writes its text with, too. */
Buffer.prototype.write = function (text, ...where) {
  const encoding = where.length - 1;
  if (typeof text !== "string" || !isUrlSafe(where[encoding])) return write.call(this, text, ...where);
  where[encoding] = "base64";
  return write.call(this, plain(text), ...where);
};
Buffer.prototype.toString = function (encoding, start, end) {
  if (isUrlSafe(encoding)) return this.toString("base64", start, end).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const text = start === undefined && end === undefined ? written(this, encoding) : undefined;
  return text ?? toString.call(this, encoding, start, end);
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;

module.exports = real;
