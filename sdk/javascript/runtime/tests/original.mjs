// Runs a rule as its old host did: Node, the real npm packages, plain mocks for what was around it.
//
// Knows nothing of the prelude. What came of the rule is told in the words of an answer (DESIGN §3), so that both can
// be compared.

import { createRequire } from "node:module";
import nock from "nock";

const require = createRequire(import.meta.url);
const PATIENCE_MS = 1500;
const HOSTS_USER = /^(user_id|identities|blocked|multifactor|created_at|updated_at|last_.*|logins_count)$/;
const HOSTS_CONTEXT =
  /^(authentication|authorization|client(ID|Name|Metadata)|connection(ID|Metadata|Options|Strategy)?|organization|original_protocol|protocol|request|riskAssessment|sessionID|sso|stats|tenant)$/;
const NOT_THE_RULES = /^(host|connection|content-length|accept-encoding|transfer-encoding|user-agent)$/;

class UnauthorizedError extends Error {
  constructor(message) {
    super(message);
    this.name = "UnauthorizedError";
  }
}

const OURS = {
  "@auth0/rule-utilities": "../src/modules/rule-utilities.js", // Not on npm.
  jsonwebtoken: "../src/modules/jsonwebtoken.js", // With the options of its 0.4 line.
  bcrypt: "bcryptjs",
  xmldom: "@xmldom/xmldom",
  "request-promise-native": "request-promise",
};

function load(asked) {
  const bare = asked.replace(/^node:/, "");
  const at = bare.indexOf("@", 1);
  const name = at < 0 ? bare : bare.slice(0, at);
  if (name === "lodash of old") {
    // Under its magic name it was 2.4, later a newer one.
    return new Proxy(require("lodash-2"), { get: (old, member) => old[member] ?? require("lodash")[member] });
  }
  const found = require(OURS[name] ?? name);
  return name === "uuid" ? Object.assign((...options) => found.v4(...options), found) : found;
}

const clone = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const isEmpty = (value) => Object.keys(value).length === 0;

/** First-level keys that differ; `null` for those that are gone. */
function difference(before = {}, after = {}, left = () => false) {
  const plain = clone(after) ?? {};
  const changes = {};
  for (const key of Object.keys(plain)) if (!left(key) && !same(before[key], plain[key])) changes[key] = plain[key];
  for (const key of Object.keys(before)) if (!left(key) && !(key in plain)) changes[key] = null;
  return changes;
}

/** M-3 … M-6: what a sequence of `PATCH` bodies comes to. */
function staged(stored, patches) {
  const changes = {};
  for (const patch of patches) {
    const keys = isEmpty(patch) ? [...Object.keys(stored ?? {}), ...Object.keys(changes)].map((key) => [key, null]) : Object.entries(patch);
    for (const [key, value] of keys) changes[key] = value;
  }
  return changes;
}

export async function runOriginal(source, { user, context, configuration = {}, shared = {}, respond, domain }) {
  const { now, seed, ...about } = context;
  const seen = { requests: [], patches: [], logs: [] };
  const given = { user: clone(user), context: clone(about) };
  const merged = Object.keys(user.app_metadata ?? {}).filter((key) => !HOSTS_USER.test(key) && key !== "email" && key !== "email_verified");
  for (const key of merged) given.user[key] = given.user.app_metadata[key];

  intercept(seen, user, respond, domain);
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...values) {
      if (values.length === 0) super(now);
      else super(...values);
    }
    static now() {
      return now;
    }
  };
  const globals = clone(shared);
  try {
    const end = await call(source, given, configuration, globals, seen, domain);
    return { ...told(end, { user, about, merged, shared, seen }), requests: seen.requests };
  } finally {
    globalThis.Date = RealDate;
    nock.cleanAll();
  }
}

function intercept(seen, user, respond, domain) {
  nock.disableNetConnect();
  const answer = async function (uri, body) {
    const sent = Buffer.isBuffer(body) ? body.toString() : typeof body === "string" ? body : JSON.stringify(body);
    const url = new URL(`${this.req.options.protocol ?? "https:"}//${this.req.options.hostname ?? this.req.options.host}${uri}`).href;
    const headers = Object.entries(this.req.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
    if (new URL(url).hostname === domain) return manage(seen, user, this.req.method, uri, sent);
    const request = { method: this.req.method, url, headers: headers.filter(([name]) => !NOT_THE_RULES.test(name)), body: sent ?? "" };
    seen.requests.push(request);
    const { error, status, body: reply = "", headers: replied = {} } = respond(request);
    if (error) throw Object.assign(new Error(error), { code: error });
    return [status, reply, replied];
  };
  for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
    nock(/.*/).persist().intercept(/.*/, method).reply(answer);
  }
}

/** The Management API of the mock: `PATCH /users/{id}` with metadata. */
function manage(seen, user, method, uri, sent) {
  const id = decodeURIComponent(/users\/([^/?]+)/.exec(uri)?.[1] ?? "");
  if (id !== user.user_id) return [403, { statusCode: 403, error: "Forbidden", message: "Insufficient scope" }];
  if (method === "PATCH") for (const [bag, value] of Object.entries(JSON.parse(sent))) seen.patches.push([bag, value]);
  return [200, user];
}

function call(source, given, configuration, globals, seen, domain) {
  return new Promise((resolve) => {
    const callback = (error, user, context) => {
      // An answer is what it was when it was given; only what is stored may come later.
      if (error) resolve({ error });
      else resolve(clone({ user: isObject(user) ? user : given.user, context: isObject(context) ? context : given.context, globals }));
    };
    const isObject = (value) => typeof value === "object" && value !== null;
    const update = (bag) => async (id, value) => {
      if (id !== given.user.user_id) throw Object.assign(new Error("Forbidden"), { statusCode: 403 });
      seen.patches.push([bag, clone(value)]);
    };
    const auth0 = {
      users: { updateUserMetadata: update("user_metadata"), updateAppMetadata: update("app_metadata") },
      domain,
      baseUrl: `https://${domain}/api/v2`,
      accessToken: "vestibule-changes-the-user-who-is-logging-in",
    };
    const names = { configuration, auth0, global: globals, UnauthorizedError, require: load, console: quiet(seen) };
    for (const [name, module] of Object.entries({ _: "lodash of old", jwt: "jsonwebtoken", uuid: "uuid", request: "request", async: "async", q: "q", xtend: "xtend" })) {
      Object.defineProperty(names, name, { get: () => load(module), enumerable: true });
    }
    const crash = (error) => resolve({ error });
    process.on("uncaughtException", crash);
    seen.patience = setTimeout(() => resolve({ silent: true }), PATIENCE_MS);
    seen.calm = () => process.removeListener("uncaughtException", crash);
    try {
      const used = Object.keys(names).filter((name) => source.includes(name));
      const rule = new Function(...used, `return (${source}\n);`)(...used.map((name) => names[name]));
      const result = rule(given.user, given.context, callback);
      if (typeof result?.then === "function") result.then(undefined, (error) => resolve({ error }));
    } catch (error) {
      resolve({ error });
    }
  }).then(async (end) => {
    // What runs on after `callback`: unawaited requests, later writes.
    await new Promise((resolve) => setTimeout(resolve, 25));
    clearTimeout(seen.patience);
    seen.calm();
    return end;
  });
}

function quiet(seen) {
  const log = (...values) => void seen.logs.push(values);
  return { log, info: log, warn: log, error: log, trace: log, debug: log };
}

/** What came of it, as the answer says it. */
function told(end, { user, about, merged, shared, seen }) {
  if (end.silent) return { answer: { noCallback: true } };
  if (end.error !== undefined) {
    const { error } = end;
    const code = error instanceof UnauthorizedError ? "unauthorized" : "access_denied";
    return { answer: { deny: { code, reason: typeof error === "object" && error.message ? error.message : String(error) } } };
  }
  const members = {};
  const put = (name, value) => {
    if (value !== undefined && !isEmpty(value)) members[name] = value;
  };
  for (const key of merged) {
    if (!same(end.user[key], user.app_metadata[key]) && !same(end.user[key], end.user.app_metadata?.[key])) continue;
    if (key in user) end.user[key] = user[key];
    else delete end.user[key];
  }
  put("user", difference(user, end.user, (key) => key === "user_metadata" || key === "app_metadata" || HOSTS_USER.test(key)));
  const transient = {};
  for (const bag of ["user_metadata", "app_metadata"]) {
    const writes = staged(user[bag], seen.patches.filter(([of]) => of === bag).map(([, patch]) => patch));
    put(bag, writes);
    const unsaved = difference(user[bag], end.user[bag], (key) => key in writes && same(writes[key], end.user[bag]?.[key] ?? null));
    if (!isEmpty(unsaved)) transient[`user.${bag}`] = unsaved;
  }
  const { scope, ...access } = difference(about.accessToken, end.context.accessToken);
  put("id_token", difference(about.idToken, end.context.idToken));
  put("access_token", access);
  if (scope) members.scope = scope;
  const { multifactor, redirect, ...rest } = difference(about, end.context, (key) => key === "idToken" || key === "accessToken" || HOSTS_CONTEXT.test(key));
  put("context", rest);
  if (multifactor && multifactor.provider !== "none") {
    members.second_factor = { allow_remember_browser: multifactor.allowRememberBrowser === true && !multifactor.ignoreCookie };
  }
  if (redirect) members.redirect = { url: redirect.url };
  put("shared", difference(shared, { ...end.globals, ...transient }));
  return { answer: { continue: members } };
}
