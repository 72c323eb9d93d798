/** Comparing and decoding UTF-8 where it lies. */

/** A new string of `len` bytes that are known to be ASCII. */
export function asciiToString(ptr: usize, len: i32): string {
  const text = changetype<string>(__new((<usize>len) << 1, idof<string>()));
  let to = changetype<usize>(text);
  const end = ptr + len;
  for (; ptr + 4 <= end; ptr += 4, to += 8) {
    store<u64>(to, widen(load<u32>(ptr)));
  }
  for (; ptr < end; ptr++, to += 2) store<u16>(to, load<u8>(ptr));
  return text;
}

/** Whether the bytes from `ptr` on, as many as `text` has units and all of them ASCII, spell `text`. */
export function sameAscii(ptr: usize, text: string): bool {
  const units = <usize>text.length;
  const from = changetype<usize>(text);
  let at: usize = 0;
  for (; at + 4 <= units; at += 4) {
    if (load<u64>(from + (at << 1)) != widen(load<u32>(ptr + at))) return false;
  }
  for (; at < units; at++) {
    if (load<u16>(from + (at << 1)) != load<u8>(ptr + at)) return false;
  }
  return true;
}

/** Four ASCII bytes as four units. */
// @ts-ignore: decorator
@inline
export function widen(bytes: u32): u64 {
  let wide = <u64>bytes;
  wide = (wide | (wide << 16)) & 0x0000ffff0000ffff;
  return (wide | (wide << 8)) & 0x00ff00ff00ff00ff;
}

/** Four ASCII units as four bytes. */
// @ts-ignore: decorator
@inline
export function narrow(wide: u64): u32 {
  wide = (wide | (wide >> 8)) & 0x0000ffff0000ffff;
  return <u32>(wide | (wide >> 16));
}

/** Whether `len` bytes of UTF-8 spell `text`; nothing is decoded or allocated. */
export function sameText(ptr: usize, len: i32, text: string): bool {
  const units = text.length;
  // A UTF-16 unit takes one to three bytes of UTF-8.
  if (len < units || len > units * 3) return false;
  const end = ptr + len;
  const from = changetype<usize>(text);
  for (let at = 0; at < units; at++) {
    let point = <u32>load<u16>(from + ((<usize>at) << 1));
    if (ptr >= end) return false;
    if (point < 0x80) {
      if (<u32>load<u8>(ptr++) != point) return false;
      continue;
    }
    if ((point & 0xfc00) == 0xd800 && at + 1 < units) {
      const low = <u32>load<u16>(from + ((<usize>++at) << 1));
      point = 0x10000 + ((point & 0x3ff) << 10) + (low & 0x3ff);
    }
    const size: usize = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (ptr + size > end || readPoint(ptr, size) != point) return false;
    ptr += size;
  }
  return ptr == end;
}

/** The code point of a UTF-8 sequence of two to four bytes, or 2^32 − 1 when its first byte announces another size. */
function readPoint(ptr: usize, size: usize): u32 {
  const first = <u32>load<u8>(ptr);
  const marks: u32 = size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0;
  const mask: u32 = size == 2 ? 0x1f : size == 3 ? 0x0f : 0x07;
  if ((first & ~mask) != marks) return u32.MAX_VALUE;
  let point = first & mask;
  for (let at: usize = 1; at < size; at++) point = (point << 6) | (<u32>load<u8>(ptr + at) & 0x3f);
  return point;
}
