/**
 * Everything a rule may use. What it does not use leaves no trace in its module: no import, so no capability to grant.
 *
 * Read next: `event.ts` and `node.ts` (what a rule reads), `answer.ts` and `json.ts` (what it says), then `http.ts`,
 * `files.ts` and `hash.ts`. `host.ts` alone declares host functions.
 */

import * as log from "./log";

export { abort, fail } from "./abort";
export { Allow, Answer } from "./answer";
export { Event } from "./event";
export { File, open } from "./files";
export { bcrypt, digest, Hash, hex, hmac, pbkdf2 } from "./hash";
export { Header, Pending, Request, Response, wait } from "./http";
export { Json } from "./json";
export { Items, Node } from "./node";
export { parseJson } from "./parse";
export { log };
