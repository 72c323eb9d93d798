/** Hashing, which the host does: it costs a rule next to nothing, and asks for no grant. bcrypt excepted, whose cost is its point. */

import * as host from "./host";

/** What to hash with. `Md5` and `Sha1` are for what older systems ask for. */
export enum Hash {
  Md5,
  Sha1,
  Sha224,
  Sha256,
  Sha384,
  Sha512,
  Ripemd160,
}

/** No digest is longer. */
const LONGEST = 64;

/** The digest of some bytes. */
export function digest(hash: Hash, bytes: ArrayBuffer): ArrayBuffer {
  const to = new ArrayBuffer(LONGEST);
  return to.slice(0, host.hashDigest(hash, changetype<usize>(bytes), bytes.byteLength, changetype<usize>(to)));
}

/** The HMAC of some bytes under a key. */
export function hmac(hash: Hash, key: ArrayBuffer, bytes: ArrayBuffer): ArrayBuffer {
  const to = new ArrayBuffer(LONGEST);
  const keyPtr = changetype<usize>(key);
  return to.slice(0, host.hashHmac(hash, keyPtr, key.byteLength, changetype<usize>(bytes), bytes.byteLength, changetype<usize>(to)));
}

/** A key of `length` bytes, 1 024 at most, from a password. */
export function pbkdf2(hash: Hash, password: ArrayBuffer, salt: ArrayBuffer, rounds: i32, length: i32): ArrayBuffer {
  const to = new ArrayBuffer(length);
  const passwordPtr = changetype<usize>(password);
  host.hashPbkdf2(hash, passwordPtr, password.byteLength, changetype<usize>(salt), salt.byteLength, rounds, changetype<usize>(to), length);
  return to;
}

/** The 23 bytes that bcrypt makes of a password, for a salt of 16 bytes and a cost from 4 to 14. */
export function bcrypt(password: ArrayBuffer, salt: ArrayBuffer, cost: i32): ArrayBuffer {
  assert(salt.byteLength == 16, "the salt of bcrypt has 16 bytes");
  const to = new ArrayBuffer(23);
  host.hashBcrypt(changetype<usize>(password), password.byteLength, changetype<usize>(salt), cost, changetype<usize>(to));
  return to;
}

/** Bytes as hexadecimal digits. */
export function hex(bytes: ArrayBuffer): string {
  const digits = "0123456789abcdef";
  const view = Uint8Array.wrap(bytes);
  let text = "";
  for (let at = 0; at < view.length; at++) text += digits.charAt(view[at] >> 4) + digits.charAt(view[at] & 15);
  return text;
}
