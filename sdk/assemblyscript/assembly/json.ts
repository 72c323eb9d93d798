/**
 * Writing JSON, straight as UTF-8. What cannot be said in the host's JSON (a lone surrogate, NUL, NaN, an integer beyond
 * ±(2^53 − 1)) ends the run here, with the name of the key, instead of there as `output_bad_json`.
 */

import { fail } from "./abort";
import { Bytes } from "./bytes";
import { Node, Tag } from "./node";
import { narrow } from "./text";

/** The largest integer that JSON readers agree on: 2^53 − 1. */
const INTEGER_MAX: i64 = 9007199254740991;

/** An object or an array to put into an answer or a request. */
export class Json {
  private members: Members | null = null;
  private elements: Bytes | null = null;

  /** An empty object. */
  static object(): Json {
    const json = new Json();
    json.members = new Members("");
    return json;
  }

  /** An empty array. */
  static array(): Json {
    const json = new Json();
    json.elements = new Bytes();
    return json;
  }

  /** Sets a member of an object; setting it again replaces it. For the values, see `writeValue`. */
  set<T>(key: string, value: T): Json {
    const members = this.members;
    if (members == null) fail(key + ": an array has no members, use `add`");
    else members.set<T>(key, value);
    return this;
  }

  /** Adds an element to an array. */
  add<T>(value: T): Json {
    const elements = this.elements;
    if (elements == null) {
      fail("an object has no elements, use `set`");
    } else {
      if (elements.len > 0) elements.byte(0x2c);
      writeValue<T>(elements, value, "", "element");
    }
    return this;
  }

  /** The JSON text. */
  toString(): string {
    const bytes = new Bytes();
    this.writeTo(bytes);
    return bytes.toString();
  }

  /** Appends the JSON text. For the SDK. */
  writeTo(to: Bytes): void {
    const members = this.members;
    const elements = this.elements;
    if (members != null) members.writeTo(to);
    else if (elements != null) {
      to.byte(0x5b);
      to.copy(elements.ptr, elements.len);
      to.byte(0x5d);
    }
  }
}

/** The members of one object, in the order they were first set; a key that is set again keeps its place. */
export class Members {
  private bytes: Bytes = new Bytes();
  private first: Member | null = null;
  private last: Member | null = null;
  /** For whoever keeps several. */
  next: Members | null = null;

  /** `path` is where the object stands, for messages. */
  constructor(public path: string) {}

  /** Sets a member. */
  set<T>(key: string, value: T): void {
    const bytes = this.bytes;
    const member = this.member(key);
    member.start = bytes.len;
    if (!writeText(bytes, key)) notText(this.path, key);
    bytes.byte(0x3a);
    writeValue<T>(bytes, value, this.path, key);
    member.end = bytes.len;
  }

  /** Sets a member to `null`. */
  setNull(key: string): void {
    this.set<string | null>(key, null);
  }

  /** Appends the object. */
  writeTo(to: Bytes): void {
    to.byte(0x7b);
    let member = this.first;
    while (member != null) {
      if (member != this.first) to.byte(0x2c);
      to.copy(this.bytes.ptr + member.start, member.end - member.start);
      member = member.next;
    }
    to.byte(0x7d);
  }

  private member(key: string): Member {
    let member = this.first;
    while (member != null) {
      if (member.key == key) return member;
      member = member.next;
    }
    const added = new Member(key);
    const last = this.last;
    if (last == null) this.first = added;
    else last.next = added;
    this.last = added;
    return added;
  }
}

/** Where a member's text stands. */
class Member {
  start: usize = 0;
  end: usize = 0;
  next: Member | null = null;

  constructor(public key: string) {}
}

/**
 * Appends a value: a string (or `null`), a boolean, an integer, a number, a `Json`, a `Node` of the event, or an array of
 * these. Which one is settled when the rule is compiled, so a rule carries only the code it uses.
 */
export function writeValue<T>(to: Bytes, value: T, path: string, key: string): void {
  if (isNullable<T>()) {
    if (changetype<usize>(value) == 0) {
      to.ascii("null");
      return;
    }
  }
  if (isString<T>()) {
    if (!writeText(to, changetype<string>(value))) notText(path, key);
  } else if (isBoolean<T>()) {
    to.ascii(value ? "true" : "false");
  } else if (isInteger<T>()) {
    const beyond = isSigned<T>() ? <i64>value > INTEGER_MAX || <i64>value < -INTEGER_MAX : <u64>value > <u64>INTEGER_MAX;
    if (beyond) fail(named(path, key) + ": an integer beyond ±(2^53 − 1)");
    to.decimal(<i64>value);
  } else if (isFloat<T>()) {
    if (!isFinite(<f64>value)) fail(named(path, key) + ": a number that is not finite");
    to.ascii((<f64>value).toString());
  } else if (isArray<T>()) {
    to.byte(0x5b);
    for (let at = 0; at < value.length; at++) {
      if (at > 0) to.byte(0x2c);
      writeValue<valueof<T>>(to, value[at], path, key);
    }
    to.byte(0x5d);
  } else if (isManaged<T>()) {
    if (value instanceof Json) value.writeTo(to);
    else ERROR("a value is a string, boolean, number, Json, Node, null or an array of these");
  } else {
    writeNode(to, changetype<Node>(value), path, key);
  }
}

/** Appends what a node holds, without building it up in memory. */
export function writeNode(to: Bytes, node: Node, path: string, key: string): void {
  switch (node.tag) {
    case Tag.NULL: to.ascii("null"); break;
    case Tag.FALSE: to.ascii("false"); break;
    case Tag.TRUE: to.ascii("true"); break;
    case Tag.INTEGER: to.decimal(node.asInteger()); break;
    case Tag.FLOAT: to.ascii(node.asNumber().toString()); break;
    case Tag.STRING: {
      if (!writeText(to, node.text)) notText(path, key);
      break;
    }
    case Tag.ARRAY:
    case Tag.OBJECT: {
      const keyed = node.tag == Tag.OBJECT;
      const items = node.items();
      to.byte(keyed ? 0x7b : 0x5b);
      for (let first = true; items.next(); first = false) {
        if (!first) to.byte(0x2c);
        if (keyed) {
          if (!writeText(to, items.key)) notText(path, key);
          to.byte(0x3a);
        }
        writeNode(to, items.value, path, key);
      }
      to.byte(keyed ? 0x7d : 0x5d);
      break;
    }
    default: fail(named(path, key) + ": there is no value at " + node.path);
  }
}

/** Appends a JSON string; `false` if the text holds a lone surrogate or NUL. */
export function writeText(to: Bytes, text: string): bool {
  const units = text.length;
  const from = changetype<usize>(text);
  // Three bytes a unit and the quotes; an escape makes room for itself.
  let at = to.reserve(<usize>units * 3 + 2);
  store<u8>(at++, 0x22);
  for (let index = 0; index < units; index++) {
    if (index + 4 <= units) {
      const wide = load<u64>(from + (<usize>index << 1));
      if (isPlain(wide)) {
        store<u32>(at, narrow(wide));
        at += 4;
        index += 3;
        continue;
      }
    }
    const unit = <u32>load<u16>(from + (<usize>index << 1));
    if (unit >= 0x80) {
      let point = unit;
      if ((unit & 0xf800) == 0xd800) {
        const low = index + 1 < units ? <u32>load<u16>(from + (<usize>index << 1), 2) : 0;
        if (unit >= 0xdc00 || (low & 0xfc00) != 0xdc00) return false;
        index++;
        point = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
      }
      at = storePoint(at, point);
    } else if (unit >= 0x20 && unit != 0x22 && unit != 0x5c) {
      store<u8>(at++, unit);
    } else {
      if (unit == 0) return false;
      to.len = at - to.ptr;
      to.reserve(<usize>(units - index) * 3 + 7);
      writeEscape(to, unit);
      at = to.ptr + to.len;
    }
  }
  store<u8>(at++, 0x22);
  to.len = at - to.ptr;
  return true;
}

/** Whether four units are ASCII that stands for itself: no control character, quote or backslash. */
// @ts-ignore: decorator
@inline
function isPlain(wide: u64): bool {
  if (wide & 0xff80ff80ff80ff80) return false;
  // A lane that is what it must not be goes below zero and sets its highest bit. What it borrows from the next lane can
  // only send plain text the slow way round.
  const quotes = (wide ^ 0x0022002200220022) - 0x0001000100010001;
  const backslashes = (wide ^ 0x005c005c005c005c) - 0x0001000100010001;
  const controls = wide - 0x0020002000200020;
  return ((quotes | backslashes | controls) & 0x8000800080008000) == 0;
}

/** Stores a code point from U+0080 on as UTF-8 and says where it ends. */
export function storePoint(at: usize, point: u32): usize {
  if (point < 0x800) {
    store<u8>(at++, 0xc0 | (point >> 6));
  } else {
    if (point < 0x10000) {
      store<u8>(at++, 0xe0 | (point >> 12));
    } else {
      store<u8>(at++, 0xf0 | (point >> 18));
      store<u8>(at++, 0x80 | ((point >> 12) & 0x3f));
    }
    store<u8>(at++, 0x80 | ((point >> 6) & 0x3f));
  }
  store<u8>(at, 0x80 | (point & 0x3f));
  return at + 1;
}

function writeEscape(to: Bytes, unit: u32): void {
  to.byte(0x5c);
  if (unit == 0x22 || unit == 0x5c) {
    to.byte(unit);
    return;
  }
  to.ascii("u00");
  to.byte(0x30 + (unit >> 4));
  const low = unit & 0xf;
  to.byte(low < 10 ? 0x30 + low : 0x57 + low);
}

function notText(path: string, key: string): void {
  fail(named(path, key) + ": the text holds a lone surrogate or NUL");
}

function named(path: string, key: string): string {
  return path.length == 0 ? key : path + "." + key;
}
