/**
 * Reading the event's document (`crates/abi/src/document.rs`). A `Node` *is* its address in the document: its fields
 * are the node's head, its methods step over the bytes behind it. So a look-up neither copies nor allocates, and what is
 * not asked for is skipped in one step. Only a look-up that finds nothing makes a small record, for its error message.
 */

import { fail } from "./abort";
import { missingNode, pathOf } from "./path";
import { symbolOf, symbolText } from "./symbols";
import { asciiToString, sameAscii, sameText } from "./text";

/** The tags of nodes. */
export namespace Tag {
  export const NULL: u8 = 0;
  export const FALSE: u8 = 1;
  export const TRUE: u8 = 2;
  export const INTEGER: u8 = 3;
  export const FLOAT: u8 = 4;
  export const STRING: u8 = 5;
  export const ARRAY: u8 = 6;
  export const OBJECT: u8 = 7;
  export const SYMBOL: u8 = 8;
  /** Not on the wire: what a look-up returns that finds nothing. */
  export const MISSING: u8 = 255;
}

/** Flag of a string whose bytes are all ASCII. */
const FLAG_ASCII: u8 = 1;
/** Bytes of a node before its payload. */
const HEAD_BYTES: usize = 8;
/** What `aux` of an array or object says when it has that many children or more. */
const UNCOUNTED: u16 = 65535;

/**
 * One value: an object, an array, a string, a number, a boolean, `null`, or nothing at all.
 *
 * `as…` answers a fallback when the value is of another kind; `require…` ends the run with the field's path.
 */
@unmanaged
export class Node {
  tag: u8;
  flags: u8;
  aux: u16;
  len: u32;

  /** The member `key` of an object; a missing one if there is none, so that look-ups can be chained without checks. */
  get(key: string): Node {
    if (this.tag == Tag.OBJECT) {
      // The first four bytes of a key that is a symbol: tag and id, whatever its flags.
      const wanted = (symbolOf(key) << 16) | Tag.SYMBOL;
      const end = this.end;
      let at = this.payload;
      while (at < end) {
        const name = changetype<Node>(at);
        const value = changetype<Node>(name.next);
        const head = load<u32>(at);
        if ((head & 0xffff00ff) == wanted) return value;
        if (<u8>head == Tag.STRING && name.equals(key)) return value;
        at = value.next;
      }
    }
    return missingNode(this, key, 0);
  }

  /** The element `index` of an array, from 0; a missing one if there is none. */
  at(index: i32): Node {
    if (this.tag == Tag.ARRAY && index >= 0) {
      const end = this.end;
      let left = index;
      for (let at = this.payload; at < end; at = changetype<Node>(at).next) {
        if (left-- == 0) return changetype<Node>(at);
      }
    }
    return missingNode(this, null, index);
  }

  /** Whether an object has a member `key`, be it `null`. */
  has(key: string): bool {
    return this.get(key).exists;
  }

  /** Whether an array has an element that is the string `text`. */
  includes(text: string): bool {
    if (this.tag != Tag.ARRAY) return false;
    const end = this.end;
    for (let at = this.payload; at < end; at = changetype<Node>(at).next) {
      if (changetype<Node>(at).equals(text)) return true;
    }
    return false;
  }

  /** How many elements or members there are; 0 for anything but an array or object. */
  get length(): i32 {
    if (this.tag != Tag.ARRAY && this.tag != Tag.OBJECT) return 0;
    if (this.aux != UNCOUNTED) return this.aux;
    let children = 0;
    const end = this.end;
    for (let at = this.payload; at < end; at = changetype<Node>(at).next) children++;
    return this.tag == Tag.OBJECT ? children >> 1 : children;
  }

  /** Goes through an array's elements or an object's members; through nothing for any other kind. */
  items(): Items {
    return new Items(this);
  }

  /** Whether there is a value here, be it `null`. */
  get exists(): bool {
    return this.tag != Tag.MISSING;
  }

  /** Whether there is nothing here, not even `null`. */
  get isMissing(): bool {
    return this.tag == Tag.MISSING;
  }

  /** Whether the value is `null`. */
  get isNull(): bool {
    return this.tag == Tag.NULL;
  }

  /** Whether it is a string. */
  get isString(): bool {
    return this.tag == Tag.STRING;
  }

  /** Whether it is a boolean. */
  get isBool(): bool {
    return this.tag == Tag.TRUE || this.tag == Tag.FALSE;
  }

  /** Whether it is a number, integral or not. */
  get isNumber(): bool {
    return this.tag == Tag.INTEGER || this.tag == Tag.FLOAT;
  }

  /** Whether it is an integer. */
  get isInteger(): bool {
    return this.tag == Tag.INTEGER;
  }

  /** Whether it is an array. */
  get isArray(): bool {
    return this.tag == Tag.ARRAY;
  }

  /** Whether it is an object. */
  get isObject(): bool {
    return this.tag == Tag.OBJECT;
  }

  /** Whether it is the string `text`; decodes nothing, so prefer it to `asString() == …`. */
  equals(text: string): bool {
    if (this.tag != Tag.STRING) return false;
    if ((this.flags & FLAG_ASCII) == 0) return sameText(this.payload, this.len, text);
    return this.len == <u32>text.length && sameAscii(this.payload, text);
  }

  /** The string, or the fallback. */
  asString(fallback: string = ""): string {
    return this.tag == Tag.STRING ? this.text : fallback;
  }

  /** The boolean, or the fallback. */
  asBool(fallback: bool = false): bool {
    return this.isBool ? this.tag == Tag.TRUE : fallback;
  }

  /** The integer, or the fallback. Integers lie within ±(2^53 − 1). */
  asInteger(fallback: i64 = 0): i64 {
    return this.tag == Tag.INTEGER ? load<i64>(this.payload) : fallback;
  }

  /** The number, integral or not, or the fallback. */
  asNumber(fallback: f64 = 0): f64 {
    if (this.tag == Tag.FLOAT) return load<f64>(this.payload);
    return this.tag == Tag.INTEGER ? <f64>load<i64>(this.payload) : fallback;
  }

  /** The string; anything else ends the run. */
  requireString(): string {
    if (this.tag != Tag.STRING) this.mismatch("a string");
    return this.text;
  }

  /** The boolean; anything else ends the run. */
  requireBool(): bool {
    if (!this.isBool) this.mismatch("a boolean");
    return this.tag == Tag.TRUE;
  }

  /** The integer; anything else ends the run. */
  requireInteger(): i64 {
    if (this.tag != Tag.INTEGER) this.mismatch("an integer");
    return this.asInteger();
  }

  /** The number; anything else ends the run. */
  requireNumber(): f64 {
    if (!this.isNumber) this.mismatch("a number");
    return this.asNumber();
  }

  /** This node if it is an array; anything else ends the run. */
  requireArray(): Node {
    if (this.tag != Tag.ARRAY) this.mismatch("an array");
    return this;
  }

  /** This node if it is an object; anything else ends the run. */
  requireObject(): Node {
    if (this.tag != Tag.OBJECT) this.mismatch("an object");
    return this;
  }

  /** Where it stands, like `user.app_metadata.plan`. Looked for in the document: for messages, not for loops. */
  get path(): string {
    return pathOf(this);
  }

  /** Where the payload starts. For the SDK. */
  get payload(): usize {
    return changetype<usize>(this) + HEAD_BYTES;
  }

  /** Where the payload ends. For the SDK. */
  get end(): usize {
    return this.payload + this.len;
  }

  /** Where the next node starts, behind the padding. For the SDK. */
  get next(): usize {
    return this.payload + ((<usize>this.len + 7) & ~7);
  }

  /** The text of a string node or of a key. For the SDK. */
  get text(): string {
    if (this.tag == Tag.SYMBOL) {
      const known = symbolText(this.aux);
      return known == null ? "" : known;
    }
    if (this.flags & FLAG_ASCII) return asciiToString(this.payload, this.len);
    return String.UTF8.decodeUnsafe(this.payload, this.len);
  }

  private mismatch(expected: string): void {
    fail(pathOf(this) + ": expected " + expected + ", found " + this.kind);
  }

  private get kind(): string {
    switch (this.tag) {
      case Tag.NULL: return "null";
      case Tag.FALSE: case Tag.TRUE: return "a boolean";
      case Tag.INTEGER: return "an integer";
      case Tag.FLOAT: return "a number";
      case Tag.STRING: return "a string";
      case Tag.ARRAY: return "an array";
      case Tag.OBJECT: return "an object";
      default: return "nothing";
    }
  }
}

/**
 * A walk through an array or object:
 *
 * ```ts
 * const groups = event.user.get("groups").items();
 * while (groups.next()) log.info(groups.value.asString());
 * ```
 */
@unmanaged
export class Items {
  private name: Node;
  private current: Node;
  private at: usize;
  private end: usize;
  private keyed: bool;

  constructor(parent: Node) {
    const walkable = parent.isArray || parent.isObject;
    this.name = parent;
    this.current = parent;
    this.at = parent.payload;
    this.end = walkable ? parent.end : parent.payload;
    this.keyed = parent.isObject;
  }

  /** Steps to the next one; `false` at the end. Members with a key this version does not know are passed over. */
  next(): bool {
    while (this.at < this.end) {
      this.name = changetype<Node>(this.at);
      this.current = this.keyed ? changetype<Node>(this.name.next) : this.name;
      this.at = this.current.next;
      if (!this.keyed || this.name.tag == Tag.STRING || symbolText(this.name.aux) != null) return true;
    }
    return false;
  }

  /** The element, or the member's value. */
  get value(): Node {
    return this.current;
  }

  /** The member's key; empty in an array. */
  get key(): string {
    return this.keyed ? this.name.text : "";
  }
}
