// `fetch`, and `node-fetch` with it, over the granted HTTP capability.

const { exchange, sooner, textOf } = require("vestibule:exchange");
const { Buffer } = require("buffer");

class Headers {
  constructor(init) {
    this.map = new Map();
    if (init === undefined || init === null) return;
    const pairs = init instanceof Headers ? init.map : typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of pairs) for (const one of Array.isArray(value) ? value : [value]) this.append(name, one);
  }
  append(name, value) {
    const before = this.get(name);
    this.set(name, before === null ? value : `${before}, ${value}`);
  }
  set(name, value) {
    this.map.set(String(name).toLowerCase(), String(value));
  }
  get(name) {
    return this.map.get(String(name).toLowerCase()) ?? null;
  }
  has(name) {
    return this.map.has(String(name).toLowerCase());
  }
  delete(name) {
    this.map.delete(String(name).toLowerCase());
  }
  forEach(callback, self) {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }
  raw() {
    return Object.fromEntries([...this].map(([name, value]) => [name, [value]]));
  }
  keys() {
    return [...this].map(([name]) => name)[Symbol.iterator]();
  }
  values() {
    return [...this].map(([, value]) => value)[Symbol.iterator]();
  }
  entries() {
    return this[Symbol.iterator]();
  }
  [Symbol.iterator]() {
    return [...this.map].sort(([one], [other]) => (one < other ? -1 : 1))[Symbol.iterator]();
  }
}

class FetchError extends Error {
  constructor(message, type, code) {
    super(message);
    Object.assign(this, { name: "FetchError", type, code, errno: code });
  }
}

class Body {
  constructor(bytes) {
    Object.defineProperty(this, "bytes", { value: bytes });
    this.bodyUsed = false;
  }
  take() {
    if (this.bodyUsed) return Promise.reject(new TypeError("body used already"));
    this.bodyUsed = true;
    return Promise.resolve(this.bytes);
  }
  text() {
    return this.take().then(textOf);
  }
  json() {
    return this.text().then((text) => {
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new FetchError(`invalid json response body at ${this.url ?? ""} reason: ${error.message}`, "invalid-json");
      }
    });
  }
  arrayBuffer() {
    return this.take().then((bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  }
  buffer() {
    return this.take().then((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }
}

/** What a body sends, and the type that goes with it. */
function content(body) {
  if (body === undefined || body === null) return {};
  if (typeof body === "string") return { body, type: "text/plain;charset=UTF-8" };
  if (body instanceof Uint8Array || body instanceof ArrayBuffer) return { body };
  if (ArrayBuffer.isView(body)) return { body: new Uint8Array(body.buffer, body.byteOffset, body.byteLength) };
  const isForm = typeof body.append === "function" && typeof body.getAll === "function";
  return { body: String(body), type: isForm ? "application/x-www-form-urlencoded;charset=UTF-8" : "text/plain;charset=UTF-8" };
}

class Response extends Body {
  constructor(body, { status = 200, statusText = "", headers, url = "" } = {}) {
    super(body instanceof Uint8Array ? body : Buffer.from(String(body ?? "")));
    Object.assign(this, { status, statusText, headers: new Headers(headers), url, ok: status >= 200 && status < 300, redirected: false });
  }
  clone() {
    return new Response(this.bytes, this);
  }
}

class Request extends Body {
  constructor(input, init = {}) {
    const from = typeof input === "object" && input instanceof Request ? input : undefined;
    super(new Uint8Array());
    this.url = from?.url ?? String(input?.href ?? input);
    this.method = String(init.method ?? from?.method ?? "GET").toUpperCase();
    this.headers = new Headers(init.headers ?? from?.headers);
    const sent = content(init.body ?? from?.sent);
    this.sent = sent.body;
    if (sent.type !== undefined && !this.headers.has("content-type")) this.headers.set("content-type", sent.type);
    this.timeout = init.timeout ?? from?.timeout;
    this.redirect = init.redirect ?? from?.redirect ?? "follow";
    this.signal = init.signal ?? from?.signal;
  }
}

function aborted(signal) {
  if (signal.reason?.name === "TimeoutError") return signal.reason;
  return Object.assign(new Error("The user aborted a request."), { name: "AbortError", type: "aborted" });
}

function fetch(input, init) {
  return new Promise((resolve, reject) => {
    const request = new Request(input, init);
    if (!/^https?:\/\//i.test(request.url)) throw new TypeError("Only absolute URLs are supported");
    if (request.signal?.aborted) throw aborted(request.signal);
    request.signal?.addEventListener?.("abort", () => reject(aborted(request.signal)));
    if (!request.headers.has("accept")) request.headers.set("accept", "*/*");
    const { url, method, signal } = request;
    const timeout = sooner(request.timeout, signal?.timeout);
    const sent = { url, method, timeout, body: request.sent, headers: Object.fromEntries(request.headers), follow: request.redirect === "follow" };
    exchange(sent, (error, received) => {
      if (error?.code === "ETIMEDOUT" && signal?.timeout > 0 && timeout === signal.timeout) {
        reject(Object.assign(new Error("The operation was aborted due to timeout"), { name: "TimeoutError" }));
      } else if (error) {
        const type = error.code === "ETIMEDOUT" ? "request-timeout" : "system";
        const reason = type === "request-timeout" ? `network timeout at: ${url}` : `request to ${url} failed, reason: ${error.message}`;
        reject(new FetchError(reason, type, error.code));
      } else if (request.redirect === "error" && received.status >= 300 && received.status < 400) {
        reject(new FetchError(`uri requested responds with a redirect, redirect mode is set to error: ${url}`, "no-redirect"));
      } else {
        resolve(new Response(received.body, received));
      }
    });
  });
}

module.exports = Object.assign(fetch, { default: fetch, fetch, Headers, Request, Response, FetchError });
