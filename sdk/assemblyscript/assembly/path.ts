/**
 * The path of a node, for error messages: found by walking down from the root it hangs on, so that a rule which makes no
 * mistake pays nothing for it.
 */

import { decimal } from "./bytes";
import { Node, Tag } from "./node";

/** What a look-up returns that finds nothing: a node without payload that remembers what was looked for. */
@unmanaged
class Missing {
  tag: u8;
  flags: u8;
  aux: u16;
  len: u32;
  parent: usize;
  index: i32;
  /** A `string`, kept as an address: this class is not managed. Strings are never moved, and never freed by the stub runtime. */
  key: usize;
}

/** A document the rule has read. */
@unmanaged
class Root {
  node: usize;
  name: usize;
  before: usize;
}

let lastRoot: usize = 0;

/** Remembers a root, so that paths of its nodes can be told. */
export function registerRoot(node: usize, name: string): void {
  const root = new Root();
  root.node = node;
  root.name = changetype<usize>(name);
  root.before = lastRoot;
  lastRoot = changetype<usize>(root);
}

/** A node for what is not there: the member `key` of `parent` (0: of nothing), or without a key its element `index`. */
export function missingNode(parent: Node, key: string | null, index: i32): Node {
  const missing = new Missing();
  missing.tag = Tag.MISSING;
  missing.flags = 0;
  missing.aux = 0;
  missing.len = 0;
  missing.parent = changetype<usize>(parent);
  missing.index = index;
  missing.key = changetype<usize>(key);
  return changetype<Node>(missing);
}

/** `user.app_metadata.plan`, `user.identities[0].provider`; a key with other characters stands in quotes. */
export function pathOf(node: Node): string {
  if (node.tag == Tag.MISSING) {
    const missing = changetype<Missing>(node);
    const parent = missing.parent == 0 ? "" : pathOf(changetype<Node>(missing.parent));
    if (missing.key == 0) return parent + "[" + decimal(missing.index) + "]";
    return join(parent, changetype<string>(missing.key));
  }
  const target = changetype<usize>(node);
  for (let at = lastRoot; at != 0; at = changetype<Root>(at).before) {
    const root = changetype<Root>(at);
    const top = changetype<Node>(root.node);
    if (target >= root.node && target < top.end) return below(top, target, changetype<string>(root.name));
  }
  return "";
}

function below(top: Node, target: usize, path: string): string {
  let node = top;
  while (changetype<usize>(node) != target) {
    const end = node.end;
    const keyed = node.tag == Tag.OBJECT;
    let index = 0;
    let found = false;
    for (let at = node.payload; at < end; index++) {
      const name = changetype<Node>(at);
      const value = keyed ? changetype<Node>(name.next) : name;
      at = value.next;
      if (target >= at) continue;
      path = keyed ? join(path, name.text) : path + "[" + decimal(index) + "]";
      node = value;
      found = true;
      break;
    }
    if (!found) break;
  }
  return path;
}

function join(path: string, key: string): string {
  const step = isPlain(key) ? key : '"' + key + '"';
  return path.length == 0 ? step : path + "." + step;
}

function isPlain(key: string): bool {
  for (let at = 0; at < key.length; at++) {
    const unit = key.charCodeAt(at);
    const plain = (unit >= 0x30 && unit <= 0x39) || ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a) || unit == 0x5f || unit == 0x2d;
    if (!plain) return false;
  }
  return key.length > 0;
}
