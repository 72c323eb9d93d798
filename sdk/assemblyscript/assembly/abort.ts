/** How a rule ends without an answer: the host records `guest_error` with the message, and denies the login. */

import { decimal } from "./bytes";
import * as host from "./host";

/** Ends the run with a message (the host keeps 256 characters). It does not return. */
export function fail(message: string): void {
  const bytes = String.UTF8.encode(message);
  host.fail(changetype<usize>(bytes), bytes.byteLength);
  unreachable();
}

/**
 * What `throw`, a failed `assert` and an index out of range end in; `asconfig.json` names it with `--use abort=…`, so
 * that no `env.abort` is imported and the message tells the line without a source map.
 */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const place = (file == null ? "rule" : file) + ":" + decimal(line) + ":" + decimal(column);
  fail(place + " " + (message == null ? "aborted" : message));
}
