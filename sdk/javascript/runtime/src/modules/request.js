// `request` 2: all call forms and the options that rules use, over the granted HTTP capability.

const { basic, bytesOf, exchange, textOf } = require("vestibule:exchange");
const { EventEmitter } = require("events");

const VERBS = { get: "GET", head: "HEAD", options: "OPTIONS", post: "POST", put: "PUT", patch: "PATCH", del: "DELETE", delete: "DELETE" };
const REDIRECTING = new Set(["GET", "HEAD"]);

/** The forms `(url, options, callback)`, `(options, callback)`, `(url, callback)`, as one options object. */
function optionsOf(uri, options, callback) {
  const given = typeof options === "function" ? { callback: options } : { ...options, ...(callback && { callback }) };
  if (typeof options === "function") callback = options;
  if (typeof uri === "object" && uri !== null && !uri.href) return { ...uri, ...given, callback: callback ?? uri.callback };
  return { ...given, uri };
}

/** Percent-encodes what `encodeURIComponent` leaves (RFC 3986 §2.2). */
const strict = (text) => text.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
const escape = (value) => strict(encodeURIComponent(value));

/** How the elements of an array are named, by `qsStringifyOptions.arrayFormat`. */
const ELEMENTS = { indices: (name, key) => `${name}[${key}]`, brackets: (name) => `${name}[]`, repeat: (name) => name };

/** Nested objects as `a[b]=c`, arrays as `a[0]=b`. */
function formed(value, element, name) {
  if (value === undefined) return [];
  if (value === null) return [`${escape(name)}=`];
  if (typeof value !== "object" || value instanceof Date) {
    return [`${escape(name)}=${escape(value instanceof Date ? value.toISOString() : value)}`];
  }
  const below = (key) => (name === undefined ? key : Array.isArray(value) ? element(name, key) : `${name}[${key}]`);
  return Object.keys(value).flatMap((key) => formed(value[key], element, below(key)));
}

/** As Node's `querystring` writes it: `a=1&a=2`, and nothing for what is nested (`useQuerystring`). */
function flat(members) {
  const plain = (value) => (["string", "boolean", "bigint"].includes(typeof value) || Number.isFinite(value) ? value : "");
  return Object.keys(members).flatMap((name) => {
    const values = Array.isArray(members[name]) ? members[name] : [members[name]];
    return values.map((value) => `${escape(name)}=${escape(plain(value))}`);
  });
}

function stringify(value, { useQuerystring, qsStringifyOptions = {} }) {
  const pairs = useQuerystring ? flat(value) : formed(value, ELEMENTS[qsStringifyOptions.arrayFormat] ?? ELEMENTS.indices);
  return pairs.join("&");
}

function parsed(query) {
  const members = {};
  for (const pair of query.split("&").filter(Boolean)) {
    const [name, ...value] = pair.split("=");
    const key = decodeURIComponent(name);
    const text = decodeURIComponent(value.join("=").replace(/\+/g, " "));
    members[key] = Object.hasOwn(members, key) ? [members[key], text].flat() : text;
  }
  return members;
}

const TYPES = { css: "text/css", csv: "text/csv", gif: "image/gif", html: "text/html", jpeg: "image/jpeg", jpg: "image/jpeg", json: "application/json", pdf: "application/pdf", png: "image/png", svg: "image/svg+xml", txt: "text/plain", xml: "application/xml", zip: "application/zip" };

/** What would end a quoted name, or its line, as browsers escape it. */
const QUOTED = { '"': "%22", "\r": "%0D", "\n": "%0A" };
const quoted = (text) => String(text).replace(/["\r\n]/g, (character) => QUOTED[character]);

/** The parts of `formData`, as `multipart/form-data`: texts, numbers, bytes, or `{ value, options }` of these. */
class FormData {
  constructor() {
    this.parts = [];
    // Random, of this login's seed.
    this.boundary = `--------------------------${Array.from({ length: 24 }, () => Math.floor(Math.random() * 10)).join("")}`;
  }
  append(name, value, options = {}) {
    const given = typeof options === "string" ? { filename: options } : options;
    if (typeof value === "number") value = String(value);
    if (typeof value !== "string" && !(value instanceof Uint8Array)) {
      throw new Error("a part of `formData` is a text, a number or a Buffer in a rule: there are no files and no streams");
    }
    const filename = (given.filename ?? given.filepath)?.split(/[\\/]/).pop();
    const guessed = filename === undefined ? undefined : TYPES[/\.(\w+)$/.exec(filename)?.[1].toLowerCase()];
    const type = given.contentType ?? guessed ?? (typeof value === "string" ? undefined : "application/octet-stream");
    if (type !== undefined && /[\r\n]/.test(type)) throw new Error("the `contentType` of a part of `formData` has a line end");
    const head = [
      `--${this.boundary}`,
      `Content-Disposition: form-data; name="${quoted(name)}"${filename === undefined ? "" : `; filename="${quoted(filename)}"`}`,
      ...(type === undefined ? [] : [`Content-Type: ${type}`]),
    ];
    this.parts.push(`${head.join("\r\n")}\r\n\r\n`, value, "\r\n");
  }
  appendAll(members) {
    const isPart = (value) => typeof value === "object" && value !== null && Object.hasOwn(value, "value") && Object.hasOwn(value, "options");
    for (const name of Object.keys(members)) {
      for (const value of Array.isArray(members[name]) ? members[name] : [members[name]]) {
        if (isPart(value)) this.append(name, value.value, value.options);
        else this.append(name, value);
      }
    }
    return this;
  }
  content() {
    const parts = [...this.parts, `--${this.boundary}--\r\n`];
    if (parts.every((part) => typeof part === "string")) return parts.join("");
    const pieces = parts.map((part) => (typeof part === "string" ? bytesOf(part) : part));
    const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

function urlOf(options) {
  let url = options.uri ?? options.url;
  if (url === undefined || url === null || url === "") throw new Error("options.uri is a required argument");
  url = typeof url === "object" ? url.href ?? url.format() : String(url);
  if (options.baseUrl) url = `${String(options.baseUrl).replace(/\/$/, "")}${url.startsWith("/") || url === "" ? "" : "/"}${url}`;
  if (!/^https?:\/\//i.test(url)) throw new Error(`Invalid URI "${url}"`);
  if (options.qs) {
    const [whole, hash] = url.split("#", 2);
    const [path, query = ""] = whole.split(/\?(.*)/s, 2);
    const members = typeof options.qs === "string" ? parsed(options.qs) : options.qs;
    const merged = stringify({ ...parsed(query), ...members }, options);
    url = `${path}${merged === "" ? "" : `?${merged}`}${hash === undefined ? "" : `#${hash}`}`;
  }
  return url;
}

class Request extends EventEmitter {
  constructor(options) {
    super();
    this.options = options;
    this.method = String(options.method ?? "GET").toUpperCase();
    this.headers = { ...options.headers };
    this.callback = options.callback;
    // Streams and promises read the outcome; without either an error has nobody to tell.
    Promise.resolve().then(() => this.begin());
  }
  header(name) {
    const key = Object.keys(this.headers).find((key) => key.toLowerCase() === name);
    return key === undefined ? undefined : this.headers[key];
  }
  setHeader(name, value) {
    const key = Object.keys(this.headers).find((key) => key.toLowerCase() === name.toLowerCase());
    this.headers[key ?? name] = value;
    return this;
  }
  default(name, value) {
    if (this.header(name) === undefined) this.headers[name] = value;
  }
  auth(user, password, _, bearer) {
    this.options.auth = { user, pass: password, bearer };
    return this;
  }
  form(value) {
    if (!value) return (this.parts = new FormData());
    this.options.form = value;
    return this;
  }
  qs(value) {
    this.options.qs = { ...this.options.qs, ...value };
    return this;
  }
  json(value) {
    this.options.json = value;
    return this;
  }
  abort() {
    this.aborted = true;
  }

  /** The body, with the headers that go with it. */
  content() {
    const { form, formData, json, multipart } = this.options;
    if (multipart !== undefined) throw new Error("`multipart` is not available in a rule: use `formData`, `form` or `json`");
    let { body } = this.options;
    if (formData !== undefined && formData !== null) this.parts = new FormData().appendAll(formData);
    if (this.parts !== undefined) {
      this.default("content-type", `multipart/form-data; boundary=${this.parts.boundary}`);
      body = this.parts.content();
    }
    if (form !== undefined && form !== null) {
      if (!/^application\/x-www-form-urlencoded\b/.test(this.header("content-type") ?? "")) this.setHeader("content-type", "application/x-www-form-urlencoded");
      body = typeof form === "string" ? strict(form) : stringify(form, this.options);
    }
    if (json) {
      this.default("accept", "application/json");
      if (typeof json !== "boolean") {
        body = JSON.stringify(json);
        this.default("content-type", "application/json");
      } else if (body !== undefined && form === undefined && this.parts === undefined) {
        if (!/^application\/x-www-form-urlencoded\b/.test(this.header("content-type") ?? "")) body = JSON.stringify(body);
        this.default("content-type", "application/json");
      }
    }
    if (body !== undefined && body !== null && typeof body !== "string" && !(body instanceof Uint8Array)) {
      if (!Array.isArray(body)) throw new Error("Argument error, options.body.");
      body = body.join("");
    }
    return body;
  }

  authorize() {
    const { auth, oauth } = this.options;
    if (oauth !== undefined) throw new Error("`oauth` is not available in a rule: sign with `oauth-sign` and set the header");
    if (!auth) return;
    const bearer = typeof auth.bearer === "function" ? auth.bearer() : auth.bearer;
    if (bearer !== undefined) this.setHeader("authorization", `Bearer ${bearer}`);
    else this.setHeader("authorization", basic(auth.user ?? auth.username, auth.pass ?? auth.password));
  }

  begin() {
    if (this.aborted) return;
    let sent;
    try {
      const url = urlOf(this.options);
      this.authorize();
      this.uri = { href: url };
      sent = { method: this.method, url, body: this.content(), headers: this.headers, timeout: this.options.timeout };
      sent.follow = REDIRECTING.has(this.method) && this.options.followRedirect !== false;
    } catch (error) {
      this.fail(error);
      return;
    }
    exchange(sent, (error, received) => {
      if (this.aborted) return;
      if (error) {
        if (error.code === "ETIMEDOUT") error.message = error.code = error.errno = "ESOCKETTIMEDOUT";
        this.fail(error);
      } else {
        this.succeed(received);
      }
    });
  }

  fail(error) {
    if (this.callback) this.callback(error);
    else if (this.listenerCount("error") > 0) this.emit("error", error);
    else if (!this.promised) throw error; // As an `error` event that nobody listens to.
  }

  succeed({ status, statusText, headers, body: bytes }) {
    const encoding = this.options.encoding;
    let body = encoding === null ? toBuffer(bytes) : textOf(bytes);
    if (this.options.json && typeof body === "string") {
      try {
        body = bytes.byteLength === 0 ? undefined : JSON.parse(body, this.options.jsonReviver);
      } catch {
        // It stays the text it is.
      }
    }
    const response = Object.assign(new EventEmitter(), { statusCode: status, statusMessage: statusText, headers, body, request: this });
    response.toJSON = () => ({ statusCode: status, body, headers, request: { uri: this.uri, method: this.method, headers: this.headers } });
    this.response = response;
    this.emit("response", response);
    if (this.callback) this.callback(null, response, body);
    this.emit("data", encoding === null ? body : bytes);
    this.emit("end");
    this.emit("complete", response, body);
  }
}

function toBuffer(bytes) {
  return typeof Buffer === "undefined" ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function client(defaults) {
  const merge = (options) => ({ ...defaults, ...options, headers: { ...defaults.headers, ...options.headers } });
  const request = (uri, options, callback) => {
    if (uri === undefined) throw new Error("undefined is not a valid uri or options object.");
    return new Request(merge(optionsOf(uri, options, callback)));
  };
  for (const verb of Object.keys(VERBS)) {
    request[verb] = (uri, options, callback) => new Request({ ...merge(optionsOf(uri, options, callback)), method: VERBS[verb] });
  }
  request.defaults = (more) => client(merge(more));
  request.jar = () => ({ setCookie() {}, getCookieString: () => "", getCookies: () => [] });
  request.cookie = (text) => text;
  request.forever = request.defaults;
  request.Request = Request;
  return request;
}

module.exports = client({});
