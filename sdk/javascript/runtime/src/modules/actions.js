// The contract of Auth0's post-login Actions (auth0-behaviour §4): `event` is read, `api` is asked, the promise that
// the handler returns is its end.
//
// On the way back from a redirect every rule runs again. An Action that asks for the redirect again is the one that
// sent the browser away: its `onContinuePostLogin` runs then. The others run as they did.

const internals = require("vestibule:internals");

const RESUMED = "redirect-callback";
const NO_BROWSER = new Set(["oauth2-resource-owner", "oauth2-refresh-token", "oauth2-password", "oauth2-resource-owner-jwt-bearer"]);
const TOKEN_SECONDS = 900;
const WARN = 2;
const BAGS = ["user_metadata", "app_metadata"];
/** Where transaction metadata travels between Actions. */
const TRANSACTION = "transaction.metadata";

/** Runs the author's module once, at deploy; gives what starts a login. */
exports.define = function define(factory) {
  const made = { exports: {} };
  factory(made.exports, globalThis.require, made);
  const { onExecutePostLogin, onContinuePostLogin } = made.exports;
  if (typeof onExecutePostLogin !== "function") {
    throw new TypeError("an Action exports a function: exports.onExecutePostLogin = async (event, api) => { … }");
  }
  return (user, context, configuration, shared = {}) => {
    const login = internals.begin(user, context, shared);
    const asked = new Asked(login, context);
    login.finish = () => asked.finish();
    const event = eventOf(user, context, configuration, shared);
    const api = apiOf(asked, event, context);
    const resumed = context.protocol === RESUMED && typeof onContinuePostLogin === "function";
    const run = async () => {
      await onExecutePostLogin(event, api);
      if (resumed && asked.redirect !== undefined && asked.denied === undefined) {
        asked.redirect = undefined;
        await onContinuePostLogin(event, api);
      }
    };
    run().then(() => internals.conclude(asked.denied ?? {}) && asked.take(), internals.refuse);
  };
};

/** What an Action asked for, as the members of an answer. */
class Asked {
  constructor(login, context) {
    this.login = login;
    this.denied = undefined;
    this.redirect = undefined;
    this.members = {};
    this.scope = undefined;
    this.granted = () => context.accessToken?.scope ?? String(context.request?.query?.scope ?? "").split(" ").filter(Boolean);
  }
  /** Whether it is too late for what is asked, which the log says then: the Action has ended. */
  isLate(what) {
    if (this.login.end === undefined) return false;
    internals.log(WARN, `ignored: after the end: api.${what}`);
    return true;
  }
  deny(what, code, reason) {
    if (!this.isLate(what)) this.denied ??= { refused: { code, reason: String(reason ?? "") } };
  }
  set(what, bag, key, value) {
    if (this.isLate(what)) return;
    if (value === undefined) throw new Error(`Payload validation error: ${bag}.${key} is undefined`);
    (this.members[bag] ??= {})[key] = value;
  }
  /** Takes the answer. */
  take() {
    const { ending, end } = this.login;
    if (end.refused !== undefined) return;
    const members = { ...this.members, scope: this.scope, redirect: this.redirect };
    for (const name of Object.keys(members)) if (members[name] !== undefined) ending.continue[name] = members[name];
  }
  finish() {
    const { end, ending, taken, writes } = this.login;
    if (end === undefined) {
      ending.noCallback = true;
    } else if (end.refused !== undefined) {
      ending.deny = end.refused;
    } else {
      if (taken.broken !== undefined) throw taken.broken.error;
      const { continue: members } = ending;
      // What a `ManagementClient` stored; what is asked of `api` comes after it.
      for (const bag of BAGS) if (writes[bag] !== undefined) members[bag] = { ...writes[bag], ...members[bag] };
    }
    return ending;
  }
}

function apiOf(asked, event, context) {
  // What JSON has no word for is no claim: the token goes out without it, also where an earlier rule set it.
  const claims = (what, bag) => ({ setCustomClaim: (name, value) => asked.set(what, bag, name, isSaid(value) ? value : null) });
  const metadata = (what, bag) => (key, value) => {
    asked.set(what, bag, key, value);
    return api;
  };
  const demand = (what, options = {}) => {
    if (!asked.isLate(what)) asked.members.second_factor = { allow_remember_browser: options.allowRememberBrowser === true };
  };
  const api = {
    access: { deny: (...texts) => asked.deny("access.deny", "access_denied", texts[texts.length - 1]) },
    validation: { error: (code, message) => asked.deny("validation.error", denyCode(code), message) },
    idToken: claims("idToken.setCustomClaim", "id_token"),
    accessToken: {
      ...claims("accessToken.setCustomClaim", "access_token"),
      addScope: (scope) => {
        if (asked.isLate("accessToken.addScope")) return;
        const scopes = asked.scope ?? asked.granted();
        asked.scope = scopes.includes(scope) ? scopes : [...scopes, scope];
      },
      removeScope: (scope) => {
        if (asked.isLate("accessToken.removeScope")) return;
        asked.scope = (asked.scope ?? asked.granted()).filter((granted) => granted !== scope);
      },
    },
    user: { setAppMetadata: metadata("user.setAppMetadata", "app_metadata"), setUserMetadata: metadata("user.setUserMetadata", "user_metadata") },
    multifactor: {
      enable: (provider, options) => {
        if (provider !== "none") demand("multifactor.enable", options);
      },
    },
    authentication: {
      challengeWith: () => demand("authentication.challengeWith"),
      challengeWithAny: () => demand("authentication.challengeWithAny"),
      enrollWith: () => demand("authentication.enrollWith"),
      enrollWithAny: () => demand("authentication.enrollWithAny"),
      setPrimaryUser: (id) => asked.set("authentication.setPrimaryUser", "context", "primaryUser", id),
    },
    transaction: {
      setMetadata: (key, value) => {
        if (asked.isLate("transaction.setMetadata")) return;
        event.transaction.metadata[key] = value;
        asked.set("transaction.setMetadata", "shared", TRANSACTION, { ...event.transaction.metadata });
      },
    },
    redirect: redirectsOf(asked, event, context),
  };
  return api;
}

const isSaid = (value) => value !== undefined && typeof value !== "function" && typeof value !== "symbol";

function denyCode(code) {
  const word = String(code).toLowerCase().replace(/[^a-z0-9_]+/g, "_").slice(0, 64);
  return /^[a-z]/.test(word) ? word : `code_${word}`.slice(0, 64);
}

function redirectsOf(asked, event, context) {
  const jwt = () => globalThis.require("jsonwebtoken");
  return {
    canRedirect: () => context.request?.query?.prompt !== "none" && !NO_BROWSER.has(event.transaction.protocol),
    sendUserTo: (url, { query } = {}) => {
      if (asked.isLate("redirect.sendUserTo")) return;
      const pairs = Object.entries(query ?? {}).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
      const whole = pairs.length === 0 ? url : `${url}${url.includes("?") ? "&" : "?"}${pairs.join("&")}`;
      asked.redirect = { url: typeof whole === "string" ? internals.escapeSpaces(whole) : whole };
    },
    encodeToken: ({ secret, payload, expiresInSeconds = TOKEN_SECONDS }) =>
      jwt().sign({ ...payload, ip: event.request.ip }, secret, {
        algorithm: "HS256",
        subject: event.user.user_id,
        issuer: event.request.hostname ?? event.tenant.id,
        expiresIn: expiresInSeconds,
      }),
    validateToken: ({ secret, tokenParameterName = "session_token" }) => {
      const { query = {}, body = {} } = event.request;
      const claims = jwt().verify(query[tokenParameterName] ?? body[tokenParameterName], secret, { algorithms: ["HS256"] });
      if (claims.exp === undefined) throw new Error("the token has no expiry");
      if (query.state !== undefined && claims.state !== query.state) throw new Error("the token belongs to another login: `state` differs");
      return claims;
    },
  };
}

function eventOf(user, context, configuration, shared) {
  const { request = {} } = context;
  const query = request.query ?? {};
  const words = (text) => String(text ?? "").split(" ").filter(Boolean);
  return {
    authentication: { methods: methodsOf(context), riskAssessment: context.riskAssessment },
    authorization: { roles: context.authorization?.roles ?? [] },
    client: { client_id: context.clientID, name: context.clientName, metadata: context.clientMetadata ?? {} },
    connection: {
      id: context.connectionID,
      name: context.connection,
      strategy: context.connectionStrategy,
      metadata: context.connectionMetadata ?? {},
    },
    organization: context.organization,
    request: {
      ip: request.ip,
      method: request.method ?? "GET",
      query,
      body: request.body ?? {},
      geoip: geoipOf(request.geoip ?? {}),
      hostname: request.hostname,
      language: request.language,
      user_agent: request.userAgent,
    },
    resource_server: query.audience === undefined ? undefined : { identifier: query.audience },
    secrets: configuration,
    session: context.sessionID === undefined ? undefined : { id: context.sessionID, user_id: user.user_id },
    stats: { logins_count: context.stats?.loginsCount ?? user.logins_count ?? 0 },
    tenant: { id: context.tenant },
    transaction: {
      acr_values: words(query.acr_values),
      locale: query.ui_locales ?? "",
      login_hint: query.login_hint,
      metadata: { ...shared[TRANSACTION] },
      prompt: words(query.prompt),
      protocol: context.protocol === RESUMED ? context.original_protocol ?? "oidc-basic-profile" : context.protocol,
      redirect_uri: query.redirect_uri,
      requested_scopes: words(query.scope),
      response_mode: query.response_mode,
      response_type: words(query.response_type),
      state: query.state,
      ui_locales: words(query.ui_locales),
    },
    user: { ...user, app_metadata: user.app_metadata ?? {}, user_metadata: user.user_metadata ?? {} },
  };
}

function methodsOf(context) {
  return (context.authentication?.methods ?? []).map((method) => ({
    ...method,
    timestamp: typeof method.timestamp === "number" ? new Date(method.timestamp).toISOString() : method.timestamp,
  }));
}

function geoipOf(geoip) {
  const named = {};
  for (const name of Object.keys(geoip)) named[name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())] = geoip[name];
  return named;
}
