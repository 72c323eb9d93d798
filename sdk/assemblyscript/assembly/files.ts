/** The rule's own `data/` folder, granted by `files = true`. It is part of the rule's revision and cannot be written. */

import { Node } from "./node";
import { parseBytes } from "./parse";
import * as host from "./host";

/** Opens a file below `data/`; `null` if there is none. */
export function open(path: string): File | null {
  const bytes = String.UTF8.encode(path);
  const handle = host.fileOpen(changetype<usize>(bytes), bytes.byteLength);
  return handle < 0 ? null : new File(handle, path);
}

/** An open file. */
export class File {
  constructor(private handle: i32, private path: string) {}

  /** Its size in bytes. */
  get size(): i32 {
    return host.fileSize(this.handle);
  }

  /** Up to `len` bytes from `offset` on; fewer at its end. */
  read(offset: i32, len: i32): ArrayBuffer {
    const bytes = new ArrayBuffer(len);
    let at = 0;
    while (at < len) {
      const read = host.fileRead(this.handle, offset + at, changetype<usize>(bytes) + at, len - at);
      if (read <= 0) return bytes.slice(0, at);
      at += read;
    }
    return bytes;
  }

  /** All of it. */
  bytes(): ArrayBuffer {
    return this.read(0, this.size);
  }

  /** All of it as text. */
  text(): string {
    return String.UTF8.decode(this.bytes());
  }

  /** All of it as JSON; a missing node if it is none. */
  json(): Node {
    const bytes = this.bytes();
    return parseBytes(changetype<usize>(bytes), bytes.byteLength, this.path);
  }
}
