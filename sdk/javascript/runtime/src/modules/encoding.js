// The encoding globals of Node: UTF-8 and base64.

const { host } = require("vestibule:internals");
const { Buffer } = require("buffer");

class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return new Uint8Array(host.utf8Encode(String(text)));
  }
}

class TextDecoder {
  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`The "${label}" encoding is not supported`);
  }
  get encoding() {
    return "utf-8";
  }
  decode(input = new Uint8Array()) {
    const view = input instanceof ArrayBuffer ? new Uint8Array(input) : input;
    return host.utf8Decode(view.buffer, view.byteOffset, view.byteLength);
  }
}

module.exports = {
  TextEncoder,
  TextDecoder,
  atob: (text) => Buffer.from(String(text), "base64").toString("latin1"),
  btoa: (text) => Buffer.from(String(text), "latin1").toString("base64"),
};
