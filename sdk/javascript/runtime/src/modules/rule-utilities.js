// `@auth0/rule-utilities` 0.1 and 0.2, written from what rules rely on (R-39, javascript-rules §2).

const jwt = require("jsonwebtoken");
const { ManagementClient } = require("auth0");

/** Protocols that have no browser to redirect, or have been redirected. */
const noRedirectProtocols = ["oauth2-resource-owner", "oauth2-refresh-token", "oauth2-password", "redirect-callback"];
const DEFAULT_EXPIRY = "3d";

class Auth0RedirectRuleUtilities {
  constructor(user, context, configuration = {}) {
    this.user = user;
    this.context = context;
    this.configuration = configuration ?? {};
    this.secret = this.configuration.SESSION_TOKEN_SECRET;
    this.tokenExpiresIn = this.configuration.SESSION_TOKEN_EXPIRES_IN || DEFAULT_EXPIRY;
    this.tokenName = "session_token";
  }
  get request() {
    return this.context.request ?? {};
  }
  get issuer() {
    return `https://${this.request.hostname}/`;
  }
  get isRedirectCallback() {
    return this.context.protocol === "redirect-callback";
  }
  get queryParams() {
    return this.request.query ?? {};
  }
  get redirectUrl() {
    return this.context.redirect?.url;
  }
  get protocolCanRedirect() {
    return !noRedirectProtocols.includes(this.context.protocol);
  }
  get canRedirect() {
    const isTaken = Boolean(this.redirectUrl) || Boolean(this.context.multifactor);
    return !isTaken && this.queryParams.prompt !== "none" && this.protocolCanRedirect;
  }
  createSessionToken(claims = {}) {
    const payload = { ...claims, ip: this.request.ip };
    const options = { issuer: this.issuer, subject: this.user.user_id, expiresIn: this.tokenExpiresIn };
    return jwt.sign(payload, this.secret, options);
  }
  /** Verifies what came back; the options are `tokenParam`, the name of the query parameter, and those of `verify`. */
  validateSessionToken(options = {}) {
    const { tokenParam = this.tokenName, ...more } = options;
    const token = this.queryParams[tokenParam] ?? this.request.body?.[tokenParam];
    const claims = jwt.verify(token, this.secret, { ...more, issuer: this.issuer, subject: this.user.user_id });
    if (!claims.exp) throw new Error("Expired token");
    return claims;
  }
  /** Sends the browser to a page; with a token for it, unless `generateSessionToken` is false. */
  doRedirect(url, options = {}) {
    if (!this.canRedirect) throw new Error("Cannot redirect");
    const wanted = typeof options === "boolean" ? { generateSessionToken: options } : options ?? {};
    if (wanted.generateSessionToken === false) {
      this.context.redirect = { url };
      return;
    }
    const token = this.createSessionToken(wanted.sessionToken ?? wanted.claims);
    const name = wanted.tokenParam ?? this.tokenName;
    this.context.redirect = { url: `${url}${url.includes("?") ? "&" : "?"}${name}=${token}` };
  }
}

class Auth0UserUpdateUtilities {
  constructor(user, auth0, namespace) {
    this.user = user;
    this.userId = user.user_id;
    this.namespace = namespace;
    this.updatedUserData = {};
    this.apiClient = new ManagementClient({ token: auth0.accessToken, domain: auth0.domain, retry: { enabled: true, maxRetries: 2 } });
  }
  bag(name) {
    const bag = (this.user[name] ??= {});
    return this.namespace ? (bag[this.namespace] ??= {}) : bag;
  }
  read(name, key) {
    const bag = this.user[name] ?? {};
    return (this.namespace ? bag[this.namespace] ?? {} : bag)[key];
  }
  setUser(key, value) {
    this.user[key] = value;
    this.updatedUserData[key] = value;
  }
  getUserMeta(key) {
    return this.read("user_metadata", key);
  }
  getAppMeta(key) {
    return this.read("app_metadata", key);
  }
  setUserMeta(key, value) {
    this.bag("user_metadata")[key] = value;
  }
  setAppMeta(key, value) {
    this.bag("app_metadata")[key] = value;
  }
  async updateUser() {
    return this.apiClient.updateUser({ id: this.userId }, this.updatedUserData);
  }
  async updateUserMeta() {
    return this.apiClient.updateUserMetadata({ id: this.userId }, this.user.user_metadata ?? {});
  }
  async updateAppMeta() {
    return this.apiClient.updateAppMetadata({ id: this.userId }, this.user.app_metadata ?? {});
  }
  async updateUserMetadata() {
    return this.updateUserMeta();
  }
  async updateAppMetadata() {
    return this.updateAppMeta();
  }
}

module.exports = { Auth0RedirectRuleUtilities, Auth0UserUpdateUtilities, noRedirectProtocols };
