// One HTTP exchange over the granted capability. What every client of this folder is built on.

const { ACCESS_TOKEN, host, log, managementError, profile, sendRequest, stage } = require("vestibule:internals");
const internals = require("vestibule:internals");

/** Headers that belong to the connection; clients set some of them, the host sets its own. */
const HOSTS = new Set(["host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "trailer", "keep-alive", "expect", "accept-encoding"]);
const REDIRECTS = 2;
/** What servers say beside the number: the host passes on the number alone. */
const STATUS = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Payload Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  418: "I'm a Teapot",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  507: "Insufficient Storage",
  508: "Loop Detected",
  511: "Network Authentication Required",
};

/** What Node's sockets would have said. */
const FAILURES = {
  http_timeout: ["ETIMEDOUT", "ETIMEDOUT"],
  http_tls: ["ERR_TLS_CERT_ALTNAME_INVALID", "the TLS handshake failed"],
  http_too_large: ["EMSGSIZE", "the response is too large"],
  http_failed: ["ECONNREFUSED", "connect ECONNREFUSED"],
};

function failure(code) {
  const [name, message] = FAILURES[code] ?? ["EIO", code];
  return Object.assign(new Error(message), { code: name, errno: name, connect: code !== "http_timeout" });
}

/** The smaller of two limits of time, of which either may be none. */
exports.sooner = (one, other) => (one > 0 && other > 0 ? Math.min(one, other) : one || other);

/**
 * Sends `{ method, url, headers: {name: value | values}, body?: string | Uint8Array, timeout?, follow? }`;
 * `settle(error, { status, headers, body: Uint8Array, url })` is called in a job of its own.
 */
exports.exchange = function exchange(request, settle) {
  const method = String(request.method || "GET").toUpperCase();
  const { url, authorization } = withoutCredentials(String(request.url));
  const headers = [];
  let authorized = false;
  for (const name of Object.keys(request.headers ?? {})) {
    const value = request.headers[name];
    if (value === undefined || value === null || HOSTS.has(name.toLowerCase())) continue;
    if (name.toLowerCase() === "authorization") authorized = true;
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, String(one)]);
  }
  if (authorization !== undefined && !authorized) headers.push(["Authorization", authorization]);
  const own = managementPath(url);
  if (own !== undefined) {
    Promise.resolve().then(() => settle(null, answerManagement(method, own, headers, request.body, url)));
    return;
  }
  const isSafe = method === "GET" || method === "HEAD";
  const body = bytes(request.body);
  if (isSafe && body !== null && body.byteLength > 0) {
    const error = new Error(`a ${method} request cannot have a body in a rule: send it with POST, or as a query`);
    Promise.resolve().then(() => settle(error));
    return;
  }
  const head = { method, url, headers };
  if (request.timeout > 0) head.timeout_ms = Math.ceil(request.timeout);
  if (isSafe && request.follow !== false) head.redirects = REDIRECTS;
  sendRequest(head, isSafe ? null : body, (result) => {
    if (result.error !== undefined) {
      settle(failure(result.error));
      return;
    }
    const { status } = result;
    settle(null, { status, statusText: STATUS[status] ?? "", headers: joined(result.headers), body: new Uint8Array(result.body), url });
  });
};

/** Header names in lower case, several values joined as Node joins them. */
function joined(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    if (key === "set-cookie") (headers[key] ??= []).push(value);
    else headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  return headers;
}

function bytes(body) {
  if (body === undefined || body === null) return null;
  if (typeof body === "string") return host.utf8Encode(body);
  if (body instanceof ArrayBuffer) return body;
  return body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength);
}

exports.bytesOf = (text) => new Uint8Array(host.utf8Encode(text));
exports.textOf = (body) => (body.byteLength === 0 ? "" : host.utf8Decode(body.buffer, body.byteOffset, body.byteLength));

/** What Node's `url.parse` escapes behind the host: the `|` of a `user_id`, white space, and what else no URL has. */
const UNSAFE = /[\s"'<>\\^`{|}]/;
const escaped = (text) =>
  text.replace(new RegExp(UNSAFE, "g"), (character) =>
    character < "\x80" ? `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}` : encodeURIComponent(character),
  );

/** A URL as Node sends it. What is escaped already stays as it is. */
exports.addressOf = function addressOf(text) {
  const url = text.trim();
  if (!UNSAFE.test(url)) return url;
  const [, place, path, rest] = /^([a-z][a-z0-9+.-]*:[/\\]{2}[^/\\?#]*)?([^?#]*)(.*)$/is.exec(url);
  return `${(place ?? "").replace(/\\/g, "/")}${escaped(path.replace(/\\/g, "/"))}${escaped(rest)}`;
};

/** Takes `user:password@` out of a URL, as a header. */
function withoutCredentials(text) {
  const url = exports.addressOf(text);
  const found = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#@]*)@/i.exec(url);
  if (found === null) return { url };
  const pair = found[2].split(":").map((part) => decodeURIComponent(part));
  return {
    url: url.replace(found[0], found[1]),
    authorization: exports.basic(pair[0], pair.slice(1).join(":")),
  };
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The header of HTTP's basic authentication. */
exports.basic = function basic(user, password) {
  const input = new Uint8Array(host.utf8Encode(`${user ?? ""}:${password ?? ""}`));
  let text = "";
  for (let at = 0; at < input.length; at += 3) {
    const group = (input[at] << 16) | ((input[at + 1] ?? 0) << 8) | (input[at + 2] ?? 0);
    text += DIGITS[group >> 18] + DIGITS[(group >> 12) & 63];
    text += at + 1 < input.length ? DIGITS[(group >> 6) & 63] : "=";
    text += at + 2 < input.length ? DIGITS[group & 63] : "=";
  }
  return `Basic ${text}`;
};

/** The path below `auth0.baseUrl`, where a URL is there. */
function managementPath(url) {
  const base = `https://${globalThis.auth0.domain}/api/v2/`;
  return url.toLowerCase().startsWith(base) ? url.slice(base.length) : undefined;
}

/** The Management API, as far as a rule's own token reached: the user who is logging in. */
function answerManagement(method, path, headers, body, url) {
  const answer = (status, value) => {
    const text = JSON.stringify(value);
    const content = new Uint8Array(host.utf8Encode(text));
    return { status, statusText: STATUS[status] ?? "", headers: { "content-type": "application/json; charset=utf-8" }, body: content, url };
  };
  const refuse = (error) => {
    log(2, `Management API: ${method} /api/v2/${path}: ${error.message}`);
    return answer(error.statusCode ?? 400, { statusCode: error.statusCode ?? 400, error: error.name, message: error.message });
  };
  const bearer = headers.some(([name, value]) => name.toLowerCase() === "authorization" && value === `Bearer ${ACCESS_TOKEN}`);
  if (!bearer) return refuse(managementError(401, "Unauthorized", "Invalid token"));
  const users = /^users\/([^/?#]+)(\?[^#]*)?$/.exec(path);
  if (users === null) {
    return refuse(managementError(403, "Forbidden", "Insufficient scope: a rule can read and update the user who is logging in, nothing else"));
  }
  try {
    const id = decodeURIComponent(users[1]);
    if (method === "PATCH") {
      const text = typeof body === "string" ? body : body ? exports.textOf(new Uint8Array(bytes(body))) : "{}";
      exports.updateUser(id, JSON.parse(text));
    } else if (method !== "GET") {
      throw managementError(403, "Forbidden", "Insufficient scope, expected any of: update:users");
    } else if (id !== internals.login.user.user_id) {
      throw managementError(403, "Forbidden", "a rule can only read the user who is logging in");
    }
    return answer(200, profile());
  } catch (error) {
    return refuse(error);
  }
}

/** `PATCH /users/{id}`: metadata is staged; root attributes are not the rule's to store. */
exports.updateUser = function updateUser(id, data) {
  const roots = Object.keys(data).filter((key) => key !== "user_metadata" && key !== "app_metadata");
  if (roots.length > 0) {
    const message = `a rule cannot store root attributes (${roots.join(", ")}): put them into user_metadata, or let the connection set them`;
    throw managementError(400, "Bad Request", message);
  }
  for (const bag of Object.keys(data)) stage(bag, id, data[bag]);
  return profile();
};
