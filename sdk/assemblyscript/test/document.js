// The event document, written as `crates/abi/src/document/write.rs` writes it. The golden vector keeps the two together.
import { names } from "../scripts/symbols.js";

const SYMBOLS = new Map(names().map((name, id) => [name, id]));
const TAG = { null: 0, false: 1, true: 2, integer: 3, float: 4, string: 5, array: 6, object: 7, symbol: 8 };

/** Encodes a JSON value as a whole document. */
export function encode(value) {
  const root = node(value);
  const header = Buffer.alloc(16);
  header.write("vst1", "latin1");
  header.writeUInt32LE(16 + root.length, 8);
  header.writeUInt32LE(16, 12);
  return Buffer.concat([header, root]);
}

function node(value) {
  if (value === null) return head(TAG.null);
  if (typeof value === "boolean") return head(TAG[value]);
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return string(value);
  if (Array.isArray(value)) return nested(TAG.array, value.length, value.map(node));
  const members = Object.entries(value);
  return nested(TAG.object, members.length, members.flatMap(([name, member]) => [key(name), node(member)]));
}

function key(name) {
  const id = SYMBOLS.get(name);
  return id === undefined ? string(name) : head(TAG.symbol, 0, id);
}

function number(value) {
  const payload = Buffer.alloc(8);
  if (Number.isSafeInteger(value)) payload.writeBigInt64LE(BigInt(value));
  else payload.writeDoubleLE(value);
  return Buffer.concat([head(Number.isSafeInteger(value) ? TAG.integer : TAG.float, 0, 0, 8), payload]);
}

function string(text) {
  const bytes = Buffer.from(text, "utf8");
  const ascii = bytes.every((byte) => byte < 0x80);
  return Buffer.concat([head(TAG.string, ascii ? 1 : 0, 0, bytes.length), bytes, Buffer.alloc(-bytes.length & 7)]);
}

function nested(tag, count, children) {
  const payload = Buffer.concat(children);
  return Buffer.concat([head(tag, 0, Math.min(count, 65535), payload.length), payload]);
}

function head(tag, flags = 0, aux = 0, len = 0) {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(tag, 0);
  bytes.writeUInt8(flags, 1);
  bytes.writeUInt16LE(aux, 2);
  bytes.writeUInt32LE(len, 4);
  return bytes;
}
