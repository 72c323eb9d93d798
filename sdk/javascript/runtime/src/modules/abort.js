const { EventEmitter } = require("events");

class AbortSignal extends EventEmitter {
  constructor() {
    super();
    this.aborted = false;
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
  abort() {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.emit("abort", { type: "abort" });
  }
}

module.exports = { AbortController, AbortSignal };
