/** JSON text becomes a document, so that a response body or a data file is read like the event. */

import { Bytes } from "./bytes";
import { storePoint } from "./json";
import { Node, Tag } from "./node";
import { missingNode, registerRoot } from "./path";
import { asciiToString } from "./text";

/** The deepest nesting accepted. */
const DEPTH = 32;
/** The largest integer that is kept as one: 2^53 − 1. */
const INTEGER_MAX: f64 = 9007199254740991;

/**
 * Reads JSON text. Malformed text gives a missing node, never a failure: `parseJson(text).exists` tells. Of two members
 * with the same key, the first counts.
 */
export function parseJson(text: string): Node {
  const bytes = String.UTF8.encode(text);
  return parseBytes(changetype<usize>(bytes), bytes.byteLength, "json");
}

/** Reads JSON bytes; `name` is what error messages call them. */
export function parseBytes(ptr: usize, len: usize, name: string): Node {
  const parser = new Parser(ptr, ptr + len);
  if (!parser.document()) return missingNode(changetype<Node>(0), name, 0);
  registerRoot(parser.to.ptr, name);
  return changetype<Node>(parser.to.ptr);
}

class Parser {
  to: Bytes;
  private depth: i32 = 0;

  constructor(private at: usize, private end: usize) {
    this.to = new Bytes(max(128, (end - at) << 1));
  }

  document(): bool {
    if (!this.value()) return false;
    this.space();
    return this.at == this.end;
  }

  private value(): bool {
    this.space();
    switch (this.peek()) {
      case 0x7b: return this.nested(Tag.OBJECT, 0x7d);
      case 0x5b: return this.nested(Tag.ARRAY, 0x5d);
      case 0x22: return this.string();
      case 0x74: return this.word("true", Tag.TRUE);
      case 0x66: return this.word("false", Tag.FALSE);
      case 0x6e: return this.word("null", Tag.NULL);
      default: return this.number();
    }
  }

  private nested(tag: u8, close: u32): bool {
    if (++this.depth > DEPTH) return false;
    this.at++;
    const head = this.head(tag);
    let children: u32 = 0;
    this.space();
    if (!this.take(close)) {
      do {
        if (tag == Tag.OBJECT && !this.key()) return false;
        if (!this.value()) return false;
        children++;
        this.space();
      } while (this.take(0x2c));
      if (!this.take(close)) return false;
    }
    this.depth--;
    const node = changetype<Node>(this.to.ptr + head);
    node.aux = <u16>min<u32>(children, 65535);
    node.len = <u32>(this.to.len - head - 8);
    return true;
  }

  private key(): bool {
    this.space();
    if (this.peek() != 0x22 || !this.string()) return false;
    this.space();
    return this.take(0x3a);
  }

  private string(): bool {
    this.at++;
    const head = this.head(Tag.STRING);
    let ascii = true;
    while (!this.take(0x22)) {
      const byte = this.peek();
      if (byte < 0x20) return false;
      this.at++;
      if (byte == 0x5c) {
        const point = this.escape();
        if (point == u32.MAX_VALUE) return false;
        if (point < 0x80) {
          this.to.byte(point);
        } else {
          ascii = false;
          const to = this.to.reserve(4);
          this.to.len = storePoint(to, point) - this.to.ptr;
        }
        continue;
      }
      if (byte >= 0x80) ascii = false;
      this.to.byte(byte);
    }
    const len = this.to.len - head - 8;
    const node = changetype<Node>(this.to.ptr + head);
    node.flags = ascii ? 1 : 0;
    node.len = <u32>len;
    for (let left = len; left & 7; left++) this.to.byte(0);
    return true;
  }

  /** The code point of an escape, or 2^32 − 1 if it is none. */
  private escape(): u32 {
    const letter = this.peek();
    this.at++;
    switch (letter) {
      case 0x22: case 0x5c: case 0x2f: return letter;
      case 0x62: return 8;
      case 0x66: return 12;
      case 0x6e: return 10;
      case 0x72: return 13;
      case 0x74: return 9;
      case 0x75: break;
      default: return u32.MAX_VALUE;
    }
    const high = this.hex();
    if ((high & 0xf800) != 0xd800) return high;
    if (high >= 0xdc00 || !this.take(0x5c) || !this.take(0x75)) return u32.MAX_VALUE;
    const low = this.hex();
    if ((low & 0xfc00) != 0xdc00 || low > 0xffff) return u32.MAX_VALUE;
    return 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
  }

  private hex(): u32 {
    let value: u32 = 0;
    for (let digit = 0; digit < 4; digit++) {
      const unit = this.peek();
      this.at++;
      if (unit >= 0x30 && unit <= 0x39) value = (value << 4) | (unit - 0x30);
      else if ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x66) value = (value << 4) | ((unit | 0x20) - 0x57);
      else return u32.MAX_VALUE;
    }
    return value;
  }

  private number(): bool {
    const start = this.at;
    const negative = this.take(0x2d);
    const digits = this.at;
    let whole: i64 = 0;
    while (isDigit(this.peek())) {
      whole = whole * 10 + (this.peek() - 0x30);
      this.at++;
    }
    const count = this.at - digits;
    if (count == 0 || (count > 1 && load<u8>(digits) == 0x30)) return false;
    let integral = count <= 15;
    if (this.take(0x2e)) {
      integral = false;
      if (!this.digits()) return false;
    }
    if ((this.peek() | 0x20) == 0x65) {
      integral = false;
      this.at++;
      if (!this.take(0x2b)) this.take(0x2d);
      if (!this.digits()) return false;
    }
    if (integral) return this.integer(negative ? -whole : whole);
    const value = parseFloat(asciiToString(start, <i32>(this.at - start)));
    if (!isFinite(value)) return false;
    if (trunc(value) == value && abs(value) <= INTEGER_MAX) return this.integer(<i64>value);
    this.head(Tag.FLOAT, 8);
    store<f64>(this.to.reserve(8), value);
    this.to.len += 8;
    return true;
  }

  private integer(value: i64): bool {
    this.head(Tag.INTEGER, 8);
    store<i64>(this.to.reserve(8), value);
    this.to.len += 8;
    return true;
  }

  private digits(): bool {
    if (!isDigit(this.peek())) return false;
    while (isDigit(this.peek())) this.at++;
    return true;
  }

  private word(word: string, tag: u8): bool {
    for (let at = 0; at < word.length; at++) {
      if (!this.take(word.charCodeAt(at))) return false;
    }
    this.head(tag);
    return true;
  }

  /** Starts a node and says where its head is. */
  private head(tag: u8, len: u32 = 0): usize {
    const head = this.to.len;
    store<u64>(this.to.reserve(8), <u64>tag | (<u64>len << 32));
    this.to.len += 8;
    return head;
  }

  private space(): void {
    while (isSpace(this.peek())) this.at++;
  }

  private take(byte: u32): bool {
    if (this.peek() != byte) return false;
    this.at++;
    return true;
  }

  /** The next byte; NUL, which no JSON holds, at the end. */
  @inline
  private peek(): u32 {
    return this.at < this.end ? <u32>load<u8>(this.at) : 0;
  }
}

function isSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

function isDigit(byte: u32): bool {
  return byte >= 0x30 && byte <= 0x39;
}
