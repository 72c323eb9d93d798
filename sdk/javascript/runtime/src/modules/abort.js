const { EventEmitter } = require("events");

class AbortSignal extends EventEmitter {
  constructor() {
    super();
    this.aborted = false;
    this.reason = undefined;
  }
  static abort(reason) {
    const { signal } = new AbortController();
    return signal.give(reason);
  }
  /** The host keeps the time of a request: it is told how long to wait for it. */
  static timeout(milliseconds) {
    const { signal } = new AbortController();
    signal.timeout = milliseconds;
    setTimeout(() => signal.give(timedOut()), milliseconds).unref();
    return signal;
  }
  give(reason = named("AbortError", "This operation was aborted")) {
    if (this.aborted) return this;
    this.aborted = true;
    this.reason = reason;
    const event = { type: "abort", target: this };
    this.onabort?.(event);
    this.emit("abort", event);
    return this;
  }
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
  addEventListener(name, listener) {
    this.once(name, listener);
  }
  removeEventListener(name, listener) {
    this.off(name, listener);
  }
}

class AbortController {
  constructor() {
    this.signal = new AbortSignal();
  }
  abort(reason) {
    this.signal.give(reason);
  }
}

const named = (name, message) => Object.assign(new Error(message), { name });
const timedOut = () => named("TimeoutError", "The operation was aborted due to timeout");

module.exports = { AbortController, AbortSignal };
