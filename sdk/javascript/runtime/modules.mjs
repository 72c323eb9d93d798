// The modules that rules can require, and what there is to say about those that cannot be.
//
// An entry is the real npm package (`source`) or a file of `src/modules` (`file`): what needs a socket or native code.
// `aliases` are other names it goes by, `globals` the names it has without `require` (`""`: all of it, else a member),
// `replace` puts a file of ours in the place of a package that one of its dependencies asks for.

const real = (name, more) => ({ source: `module.exports = require(${JSON.stringify(name)});`, ...more });
const own = (file, more) => ({ file, ...more });

export const modules = {
  events: real("events/"),
  util: own("util.js"),
  buffer: own("buffer.js", { aliases: ["safe-buffer"], globals: { Buffer: "Buffer" } }),
  querystring: own("querystring.js", { globals: { querystring: "" } }),
  url: own("url.js", { globals: { URL: "URL", URLSearchParams: "URLSearchParams" } }),
  stream: own("stream.js"),
  crypto: own("crypto.js", { globals: { crypto: "" } }),
  "vestibule:encoding": own("encoding.js", {
    globals: { TextEncoder: "TextEncoder", TextDecoder: "TextDecoder", atob: "atob", btoa: "btoa" },
  }),
  "vestibule:abort": own("abort.js", {
    aliases: ["abort-controller"],
    globals: { AbortController: "AbortController", AbortSignal: "AbortSignal" },
  }),
  "vestibule:clone": own("clone.js", { globals: { structuredClone: "structuredClone" } }),
  "vestibule:locale": own("locale.js"),
  "vestibule:exchange": own("exchange.js", { http: true }),
  "vestibule:actions": own("actions.js"),

  lodash: own("lodash.js", { globals: { _: "" } }),
  underscore: real("underscore/underscore-umd.js"),
  xtend: real("xtend/immutable.js", { globals: { xtend: "" } }),
  async: real("async", { globals: { async: "" } }),
  q: real("q/q.js", { aliases: ["Q"], globals: { q: "" } }),
  moment: real("moment/moment.js"),
  "moment-timezone": real("moment-timezone/builds/moment-timezone-with-data-1970-2030.js"),
  uuid: own("uuid.js", { globals: { uuid: "" } }),
  bcrypt: own("bcrypt.js", {
    aliases: ["bcryptjs"],
    globals: { bcrypt: "" },
    warning: "cost 10 takes two thirds of the fuel of a rule, and some 60 ms; 11 and more need a higher ceiling: a login with such a hash fails with fuel_exhausted",
  }),
  jsonwebtoken: own("jsonwebtoken.js", { globals: { jwt: "" } }),
  "oauth-sign": real("oauth-sign/index.js"),
  "ipaddr.js": real("ipaddr.js/lib/ipaddr.js"),
  ip: real("ip/lib/ip.js", { globals: { ip: "" }, replace: { os: "os.js" } }),
  xmldom: real("@xmldom/xmldom/lib/index.js", { aliases: ["@xmldom/xmldom"], globals: { xmldom: "" } }),
  xpath: real("xpath/xpath.js", { globals: { xpath: "" } }),
  xml2js: real("xml2js/lib/xml2js.js", { globals: { xml2js: "" }, replace: { timers: "timers.js" } }),

  request: own("request.js", { globals: { request: "" } }),
  "request-promise": own("request-promise.js", { aliases: ["request-promise-native"] }),
  axios: own("axios.js", { browser: true, replace: { "../adapters/http": "none.js", "../adapters/xhr": "none.js", "form-data": "none.js" } }),
  "node-fetch": own("fetch.js", {
    aliases: ["cross-fetch", "isomorphic-fetch"],
    globals: { fetch: "", Headers: "Headers", Request: "Request", Response: "Response" },
  }),
  "slack-notify": real("slack-notify/slack-notify.js"),
  auth0: own("auth0.js"),
  "@auth0/rule-utilities": own("rule-utilities.js"),
};

const database = (name) => `${name} needs a socket of its own, which a rule does not have; put the query behind an HTTPS endpoint, call it with \`request\`, and grant its origin in \`http\``;
const files = "a rule has no file system; put data into the rule itself, or behind an HTTPS endpoint";
const process = "a rule has no processes and no machine; let a service behind an HTTPS endpoint do it";
const client = (name) => `${name} opens sockets of its own; use \`axios\`, \`request\` or \`fetch\`, and grant the origin in \`http\``;
const publicKey = "signatures by public keys (RS256, PS256, ES256) cannot be made or checked in a rule; use `jsonwebtoken` with HS256 and a shared secret, or let a service behind an HTTPS endpoint do it";
const cipher = "a rule has hashes, HMACs, pbkdf2 and random bytes, no ciphers; let a service behind an HTTPS endpoint do it";
const instead = (name, use) => `${name} is not shipped with Vestibule; use ${use}`;
const vendor = (name) => `${name} is not shipped with Vestibule; call its HTTP API with \`request\` or \`fetch\`, and grant its origin in \`http\``;

/** By module: why a rule cannot have it, and what to do instead. */
export const impossible = {
  ...Object.fromEntries(
    ["tedious", "mssql", "mongodb", "mongoose", "mysql", "mysql2", "pg", "knex", "redis", "ioredis", "couchbase", "cassandra-driver", "node-cassandra-cql", "sqlite3", "ldapjs", "oracledb", "sequelize"].map((name) => [name, database(name)]),
  ),
  ...Object.fromEntries(["fs", "fs/promises", "path", "os", "zlib"].map((name) => [name, files])),
  ...Object.fromEntries(["child_process", "cluster", "worker_threads", "vm", "v8"].map((name) => [name, process])),
  ...Object.fromEntries(
    ["net", "tls", "dgram", "dns", "http2", "http", "https", "ws", "socket.io-client"].map((name) => [name, `${name} is a socket, which a rule does not have; use \`request\`, \`axios\` or \`fetch\`, and grant the origin in \`http\``]),
  ),
  ...Object.fromEntries(["got", "ky", "needle", "restify-clients", "superagent", "undici", "unirest", "wreck", "@hapi/wreck"].map((name) => [name, client(name)])),
  ...Object.fromEntries(
    ["ecdsa-sig-formatter", "express-jwt", "jose", "jsrsasign", "jwk-to-pem", "jwks-rsa", "jws", "node-forge", "node-jose", "node-rsa", "openpgp"].map((name) => [name, `${name}: ${publicKey}`]),
  ),
  ...Object.fromEntries(["bluebird", "when", "es6-promise"].map((name) => [name, instead(name, "the language's own `Promise`, or `q`")])),
  ...Object.fromEntries(["date-fns", "dayjs", "luxon"].map((name) => [name, instead(name, "`moment` or `moment-timezone`")])),
  ...Object.fromEntries(["bson", "cuid", "hat", "nanoid", "node-uuid", "shortid"].map((name) => [name, instead(name, "`uuid`, or `crypto.randomBytes(12).toString('hex')`")])),
  ...Object.fromEntries(["bunyan", "debug", "loggly", "pino", "winston"].map((name) => [name, instead(name, "`console`, which writes the rule's log")])),
  ...Object.fromEntries(["config", "dotenv"].map((name) => [name, instead(name, "`configuration`, whose keys are granted in `rule.toml`")])),
  "crypto-js": instead("crypto-js", "`crypto`: hashes, HMACs, pbkdf2"),
  "easy-pbkdf2": instead("easy-pbkdf2", "`crypto.pbkdf2`"),
  "form-data": instead("form-data", "`request` with `formData`"),
  pbkdf2: instead("pbkdf2", "`crypto.pbkdf2`"),
  qs: instead("qs", "`querystring`, or `URLSearchParams`"),
  ramda: instead("ramda", "`lodash`"),
  "underscore.string": instead("underscore.string", "`lodash`"),
  "xml-js": instead("xml-js", "`xml2js`"),
  "fast-xml-parser": instead("fast-xml-parser", "`xml2js`"),
  ...Object.fromEntries(
    ["@incognia/api", "@onfido/api", "aws-sdk", "twilio", "stripe", "@sendgrid/mail", "nodemailer", "mixpanel", "analytics-node", "pubnub", "azure-storage", "googleapis", "firebase-admin", "@mailchimp/mailchimp_marketing"].map((name) => [name, vendor(name)]),
  ),
};

/** Magic globals of old that cannot be there. */
export const impossibleGlobals = {
  azure_storage: vendor("azure_storage"),
  Auth0: vendor("Auth0"),
  couchbase: database("couchbase"),
  cql: database("cql"),
  Knex: database("Knex"),
  mongo: database("mongo"),
  mysql: database("mysql"),
  mysql_pool: database("mysql_pool"),
  ObjectID: instead("ObjectID", "`crypto.randomBytes(12).toString('hex')`, or `uuid`"),
  pbkdf2: instead("pbkdf2", "`crypto.pbkdf2`"),
  pg: database("pg"),
  postgres: database("postgres"),
  Pubnub: vendor("Pubnub"),
  sqlserver: database("sqlserver"),
};

/** Methods of the `auth0` SDK that need a whole tenant: refused at build, by name. */
export const refusedManagement = {
  assignRolestoUser: "roles are the host's: assign them in the management API, or let a rule set a claim",
  assignRoles: "roles are the host's: assign them in the management API, or let a rule set a claim",
  removeRolesFromUser: "roles are the host's: assign them in the management API",
  assignPermissionsToUser: "permissions are the host's: assign them in the management API",
  linkUsers: "accounts are linked with the management API; a rule can choose among linked ones with `context.primaryUser`",
  deleteUser: "a rule cannot delete users: use the management API",
  createUser: "a rule cannot create users: use the management API",
};

/** By module: methods that nothing in a rule can do, refused at build by name. */
export const refusedMethods = {
  crypto: {
    ...Object.fromEntries(["createSign", "createVerify", "createECDH", "createDiffieHellman", "createPrivateKey", "createPublicKey", "generateKeyPair", "generateKeyPairSync", "privateDecrypt", "privateEncrypt", "publicDecrypt", "publicEncrypt"].map((name) => [name, publicKey])),
    ...Object.fromEntries(["createCipher", "createCipheriv", "createDecipher", "createDecipheriv"].map((name) => [name, cipher])),
    scrypt: "a rule has pbkdf2 and bcrypt; let a service behind an HTTPS endpoint do it",
    scryptSync: "a rule has pbkdf2 and bcrypt; let a service behind an HTTPS endpoint do it",
  },
};

/** By module: what `algorithm` and `algorithms` of its options cannot be. */
export const refusedAlgorithms = { jsonwebtoken: { names: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"], why: publicKey } };

/** Modules for methods that every value has: loaded where a source has the name at all. */
export const mentions = { toLocaleString: "vestibule:locale", toLocaleDateString: "vestibule:locale", toLocaleTimeString: "vestibule:locale" };

/** Methods of an Action's `api` that only make sense in Auth0's cloud: refused at build, by name. */
export const refusedActions = {
  "authentication.recordMethod": "what a login was authenticated with is the host's to say",
  "cache.*": "nothing outlives a login; keep it in the user's metadata, or behind an HTTP endpoint",
  "groups.*": "groups live in the profile: read `event.user.app_metadata` or `event.user.groups`",
  "prompt.*": "pages are the host's: send the user to one of your own with `api.redirect.sendUserTo`",
  "refreshToken.*": "refresh tokens are the host's: their lifetimes are settings of the client",
  "roles.*": "roles live in `event.authorization.roles`",
  "rules.wasExecuted": "imported rules run beside the Action in one pipeline: remove one of the two",
  "samlResponse.*": "set `context.samlConfiguration` in a rule",
  "session.*": "sessions are the host's: their lifetimes are settings",
};

/** Members of an Action's `api` that need a module. */
export const actionMembers = { encodeToken: "jsonwebtoken", validateToken: "jsonwebtoken" };
