/** The rule's log, in the order of the ABI's levels. The host keeps 100 lines and 8 KiB of it, and counts the rest. */

import * as host from "./host";

/** For the author at work. */
export function debug(message: string): void {
  write(0, message);
}

/** Worth keeping. */
export function info(message: string): void {
  write(1, message);
}

/** Something is off; the rule goes on. */
export function warn(message: string): void {
  write(2, message);
}

/** Something failed. */
export function error(message: string): void {
  write(3, message);
}

function write(level: i32, message: string): void {
  const bytes = String.UTF8.encode(message);
  host.log(level, changetype<usize>(bytes), bytes.byteLength);
}
