/**
 * Requests to the origins that `rule.toml` grants. Network trouble is a value (`Response.error`) that a rule can handle;
 * a request to anywhere else ends the run.
 */

import { Bytes } from "./bytes";
import { fail } from "./abort";
import { Json, writeValue } from "./json";
import { Node } from "./node";
import { parseBytes } from "./parse";
import * as host from "./host";

/** A name and a value. */
export class Header {
  constructor(public name: string, public value: string) {}
}

/** A request to be sent. */
export class Request {
  private headers: Header[] = [];
  private timeout: i32 = 0;
  private follow: i32 = 0;
  private content: ArrayBuffer = new ArrayBuffer(0);

  constructor(private method: string, private url: string) {}

  /** A request for `url`. */
  static get(url: string): Request {
    return new Request("GET", url);
  }

  /** A request that takes a body to `url`. */
  static post(url: string): Request {
    return new Request("POST", url);
  }

  /** Adds a header. `{{secret:NAME}}` in the value is replaced by the host: the rule never sees the secret. */
  header(name: string, value: string): Request {
    this.headers.push(new Header(name, value));
    return this;
  }

  /** Waits at most so long, in milliseconds; never longer than the host's own limit. */
  timeoutMs(milliseconds: i32): Request {
    this.timeout = milliseconds;
    return this;
  }

  /**
   * Follows up to so many redirects, of a `GET` or `HEAD`; without this, none, and the rule sees the 3xx. At most 2. Each
   * has to lead to an origin that `rule.toml` grants; another origin gets no header of the rule's but `accept`,
   * `accept-language` and `user-agent`.
   */
  redirects(most: i32): Request {
    this.follow = most;
    return this;
  }

  /** Sends a text as UTF-8. */
  text(body: string): Request {
    this.content = String.UTF8.encode(body);
    return this;
  }

  /** Sends bytes. */
  bytes(body: ArrayBuffer): Request {
    this.content = body;
    return this;
  }

  /** Sends JSON, and says so in `content-type`. */
  json(body: Json): Request {
    this.content = String.UTF8.encode(body.toString());
    return this.header("content-type", "application/json");
  }

  /** Sends it and waits for the response. */
  send(): Response {
    return this.start().response();
  }

  /** Sends it and goes on at once; `Pending.response` waits. */
  start(): Pending {
    const head = new Bytes(256);
    head.ascii('{"method":');
    writeValue<string>(head, this.method, "request", "method");
    head.ascii(',"url":');
    writeValue<string>(head, this.url, "request", "url");
    head.ascii(',"headers":[');
    for (let at = 0; at < this.headers.length; at++) {
      const header = unchecked(this.headers[at]);
      if (at > 0) head.byte(0x2c);
      head.byte(0x5b);
      writeValue<string>(head, header.name, "request.headers", header.name);
      head.byte(0x2c);
      writeValue<string>(head, header.value, "request.headers", header.name);
      head.byte(0x5d);
    }
    head.byte(0x5d);
    if (this.timeout > 0) {
      head.ascii(',"timeout_ms":');
      writeValue<i32>(head, this.timeout, "request", "timeout_ms");
    }
    if (this.follow > 0) {
      head.ascii(',"redirects":');
      writeValue<i32>(head, this.follow, "request", "redirects");
    }
    head.byte(0x7d);
    const body = this.content;
    return new Pending(host.httpStart(head.ptr, <i32>head.len, changetype<usize>(body), body.byteLength));
  }
}

/** A request on its way. */
export class Pending {
  private answered: Response | null = null;

  /** `handle` is the host's number for the request. */
  constructor(public handle: i32) {}

  /** Waits for the response. */
  response(): Response {
    const known = this.answered;
    if (known != null) return known;
    const handles: StaticArray<i32> = [this.handle];
    host.httpWait(changetype<usize>(handles), 1);
    const response = new Response(this.handle);
    this.answered = response;
    return response;
  }
}

/** Waits until one of several requests is finished, and says which. */
export function wait(pending: Pending[]): Pending {
  const handles = new StaticArray<i32>(pending.length);
  for (let at = 0; at < pending.length; at++) unchecked((handles[at] = pending[at].handle));
  const finished = host.httpWait(changetype<usize>(handles), handles.length);
  for (let at = 0; at < pending.length; at++) {
    if (unchecked(handles[at]) == finished) return pending[at];
  }
  fail("wait: the host named a request that was not asked for");
  return pending[0];
}

/** What came back, or why nothing did. */
export class Response {
  private head: Node;

  constructor(private handle: i32) {
    const len = host.httpResultLen(handle);
    const bytes = heap.alloc(len);
    host.httpResultRead(handle, bytes);
    this.head = parseBytes(bytes, len, "response");
  }

  /** Empty, or why there is no response: `http_timeout`, `http_too_large`, `http_tls`, `http_failed`. */
  get error(): string {
    return this.head.get("error").asString();
  }

  /** The HTTP status; 0 if there is no response. */
  get status(): i32 {
    return <i32>this.head.get("status").asInteger();
  }

  /** Whether there is a response with a status from 200 to 299. */
  get ok(): bool {
    return this.status >= 200 && this.status < 300;
  }

  /** The first header of that name (in any case), or `null`. */
  header(name: string): string | null {
    const wanted = name.toLowerCase();
    const headers = this.head.get("headers").items();
    while (headers.next()) {
      if (headers.value.at(0).asString().toLowerCase() == wanted) return headers.value.at(1).asString();
    }
    return null;
  }

  /** The body's size in bytes. */
  get length(): i32 {
    return <i32>this.head.get("body_len").asInteger();
  }

  /** The body. */
  bytes(): ArrayBuffer {
    const body = new ArrayBuffer(this.length);
    let at = 0;
    while (at < body.byteLength) {
      const read = host.httpBodyRead(this.handle, at, changetype<usize>(body) + at, body.byteLength - at);
      if (read <= 0) break;
      at += read;
    }
    return body;
  }

  /** The body as text. */
  text(): string {
    return String.UTF8.decode(this.bytes());
  }

  /** The body as JSON; a missing node if it is none. */
  json(): Node {
    const body = this.bytes();
    return parseBytes(changetype<usize>(body), body.byteLength, "response");
  }
}
