// `request` 2: all call forms and the options that rules use, over the granted HTTP capability.

const { basic, exchange, textOf } = require("vestibule:exchange");
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

/** Nested objects as `a[b]=c`, arrays as `a[0]=b`. */
function formed(value, name) {
  if (value === undefined) return [];
  if (value === null) return [`${escape(name)}=`];
  if (typeof value !== "object" || value instanceof Date) {
    return [`${escape(name)}=${escape(value instanceof Date ? value.toISOString() : value)}`];
  }
  return Object.keys(value).flatMap((key) => formed(value[key], name === undefined ? key : `${name}[${key}]`));
}
const stringify = (value) => formed(value).join("&");

function parsed(query) {
  const members = {};
  for (const pair of query.split("&").filter(Boolean)) {
    const [name, ...value] = pair.split("=");
    members[decodeURIComponent(name)] = decodeURIComponent(value.join("=").replace(/\+/g, " "));
  }
  return members;
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
    const merged = stringify({ ...parsed(query), ...members });
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
    if (formData !== undefined || multipart !== undefined) throw new Error("`formData` and `multipart` are not available in a rule: use `form` or `json`");
    let { body } = this.options;
    if (form !== undefined && form !== null) {
      if (!/^application\/x-www-form-urlencoded\b/.test(this.header("content-type") ?? "")) this.setHeader("content-type", "application/x-www-form-urlencoded");
      body = typeof form === "string" ? strict(form) : stringify(form);
    }
    if (json) {
      this.default("accept", "application/json");
      if (typeof json !== "boolean") {
        body = JSON.stringify(json);
        this.default("content-type", "application/json");
      } else if (body !== undefined && form === undefined) {
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

  succeed({ status, headers, body: bytes }) {
    const encoding = this.options.encoding;
    let body = encoding === null ? toBuffer(bytes) : textOf(bytes);
    if (this.options.json && typeof body === "string") {
      try {
        body = JSON.parse(body, this.options.jsonReviver);
      } catch {
        // It stays the text it is.
      }
    }
    if (typeof this.options.json === "undefined" && body === "" && this.options.encoding !== null) body = "";
    const response = Object.assign(new EventEmitter(), { statusCode: status, statusMessage: "", headers, body, request: this });
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
