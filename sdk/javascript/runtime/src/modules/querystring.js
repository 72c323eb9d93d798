// Node's `querystring`: the one from npm, with what Node has besides. What cannot be decoded stays as it is, and throws nothing.

const { host } = require("vestibule:internals");
const real = require("querystring/");

/** Bytes that are no text are replaced, as in Node. */
const loosely = (text) =>
  text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    const bytes = Uint8Array.from(run.slice(1).split("%"), (digits) => parseInt(digits, 16));
    return host.utf8Decode(bytes.buffer, 0, bytes.byteLength);
  });

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return loosely(String(text));
  }
}

function parse(text, separator, equals, options) {
  const members = {};
  if (typeof text !== "string" || text === "") return members;
  const decode = options?.decodeURIComponent ?? unescape;
  const most = options?.maxKeys ?? 1000;
  const [between, is] = [separator || "&", equals || "="];
  const pairs = text.split(between).filter((pair) => pair !== "");
  for (const pair of most > 0 ? pairs.slice(0, most) : pairs) {
    const plain = pair.replace(/\+/g, "%20");
    const at = plain.indexOf(is);
    const [name, value] = at < 0 ? [plain, ""] : [plain.slice(0, at), plain.slice(at + is.length)];
    const key = decode(name);
    if (!Object.hasOwn(members, key)) members[key] = decode(value);
    else members[key] = [members[key], decode(value)].flat();
  }
  return members;
}

module.exports = { ...real, parse, decode: parse, escape: (value) => encodeURIComponent(value), unescape };
