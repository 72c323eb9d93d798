// What libraries extend without ever piping: `jws` has streaming forms that rules cannot use.

const { EventEmitter } = require("events");

function Stream() {
  EventEmitter.call(this);
}
Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Stream, EventEmitter);

module.exports = Object.assign(Stream, { Stream, Readable: Stream, Writable: Stream, Duplex: Stream, Transform: Stream, PassThrough: Stream });
