/** What a rule receives. The event stays where the host put it: reading a field neither copies nor allocates. */

import * as host from "./host";
import { Node } from "./node";
import { registerRoot } from "./path";

/** Event form 1, the binary document. */
const FORM_DOCUMENT: i32 = 1;
/** Bytes before the root node. */
const HEADER_BYTES: usize = 16;

/** The login as the rule sees it. An event is the address of its root node, so it costs nothing to pass around. */
@unmanaged
export class Event {
  /** Fetches the event from the host. Call it once: each call fetches another copy. */
  static read(): Event {
    const len = host.eventLen(FORM_DOCUMENT);
    const document = heap.alloc(len);
    host.eventRead(FORM_DOCUMENT, document);
    const root = document + HEADER_BYTES;
    registerRoot(root, "");
    return changetype<Event>(root);
  }

  /** The user's profile, with `user_metadata` and `app_metadata`. */
  get user(): Node {
    return this.get("user");
  }

  /** The login's context: client, connection, request, roles, statistics. */
  get context(): Node {
    return this.get("context");
  }

  /** The configuration values that `rule.toml` grants. */
  get configuration(): Node {
    return this.get("configuration");
  }

  /** What earlier rules of this login left for later ones. */
  get shared(): Node {
    return this.get("shared");
  }

  /** The time of the login, in milliseconds since 1970. A rule has no other clock. */
  get now(): i64 {
    return this.context.get("now").requireInteger();
  }

  /** Any member of the event by its name. */
  get(key: string): Node {
    return changetype<Node>(changetype<usize>(this)).get(key);
  }
}
