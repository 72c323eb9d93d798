import { narrow } from "./text";

/** A growing run of bytes: what answers, requests and parsed documents are written into. */
export class Bytes {
  /** Where it lies; moves when it grows. */
  ptr: usize;
  /** How many bytes were written. */
  len: usize = 0;
  private capacity: usize;

  constructor(capacity: usize = 128) {
    this.ptr = heap.alloc(capacity);
    this.capacity = capacity;
  }

  /** Makes room for `more` bytes and says where they go; `len` is for the writer to move. */
  reserve(more: usize): usize {
    const wanted = this.len + more;
    if (wanted > this.capacity) {
      this.capacity = max(wanted, this.capacity << 1);
      this.ptr = heap.realloc(this.ptr, this.capacity);
    }
    return this.ptr + this.len;
  }

  /** One byte. */
  byte(value: u32): void {
    store<u8>(this.reserve(1), value);
    this.len++;
  }

  /** Text known to be ASCII and to need no escapes. */
  ascii(text: string): void {
    const units = <usize>text.length;
    let to = this.reserve(units);
    let from = changetype<usize>(text);
    const end = to + units;
    for (; to + 4 <= end; to += 4, from += 8) store<u32>(to, narrow(load<u64>(from)));
    for (; to < end; to++, from += 2) store<u8>(to, load<u8>(from));
    this.len += units;
  }

  /** An integer in decimal digits: without the standard library's tables for every radix. */
  decimal(value: i64): void {
    if (value < 0) this.byte(0x2d);
    let rest = <u64>(value < 0 ? -value : value);
    const end = this.reserve(20) + 20;
    let at = end;
    do {
      store<u8>(--at, 0x30 + rest % 10);
      rest /= 10;
    } while (rest != 0);
    memory.copy(this.ptr + this.len, at, end - at);
    this.len += end - at;
  }

  /** Bytes from elsewhere. */
  copy(from: usize, size: usize): void {
    memory.copy(this.reserve(size), from, size);
    this.len += size;
  }

  /** A string that holds the same, which is UTF-8. */
  toString(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.len);
  }
}

/** An integer as a string. */
export function decimal(value: i64): string {
  const bytes = new Bytes(20);
  bytes.decimal(value);
  return bytes.toString();
}
