// Runs a rule on the prelude with an engine made of `vm` and this file: what C does for the prelude, in JavaScript.
//
// It keeps to the seam as the engine does: scripts in the same order, `start`, `waiting`, `arrived`, `finish`.

import bcrypt from "bcryptjs";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";

const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");
/** The hashes by the numbers the host has for them. */
const HASHES = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160"];
const table = JSON.parse(readFileSync(join(dist, "modules.json"), "utf8"));
const scripts = new Map();

function script(file, name) {
  if (!scripts.has(file)) scripts.set(file, new vm.Script(readFileSync(join(dist, file), "utf8"), { filename: name }));
  return scripts.get(file);
}

/** The modules a source asks for, in the order in which they are evaluated. */
export function modulesOf(source, kind) {
  const names = new Map(Object.entries(table.modules).flatMap(([name, { aliases }]) => [name, ...aliases].map((known) => [known, name])));
  const wanted = new Set(kind === "action" ? ["vestibule:actions"] : []);
  for (const [, asked] of source.matchAll(/require\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    const bare = asked.replace(/^node:/, "");
    const at = bare.indexOf("@", 1);
    const name = names.get(at < 0 ? bare : bare.slice(0, at));
    if (name !== undefined) wanted.add(name);
  }
  for (const [name, module] of Object.entries(table.globals)) {
    if (new RegExp(`(?<![\\w$.'"@/-])${name.replace("$", "\\$")}(?![\\w$'":-])`).test(source)) wanted.add(module);
  }
  for (const [text, module] of Object.entries(table.mentions)) if (source.includes(text)) wanted.add(module);
  for (const [member, module] of Object.entries(table.actionMembers)) if (source.includes(member)) wanted.add(module);
  const order = [];
  for (const name of wanted) for (const need of [...table.modules[name].needs, name]) if (!order.includes(need)) order.push(need);
  return order;
}

/** As the engine compares: `undefined` for equal, else first-level keys; `null` for deleted. */
function changesBetween(original, value) {
  const before = isObject(original) ? original : {};
  const after = isObject(value) ? value : {};
  const changes = {};
  for (const key of Object.keys(after)) {
    if (isAbsent(after[key])) continue;
    if (!Object.hasOwn(before, key) || JSON.stringify(before[key]) !== JSON.stringify(after[key])) changes[key] = after[key];
  }
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(after, key) || isAbsent(after[key])) changes[key] = null;
  }
  return Object.keys(changes).length === 0 ? undefined : changes;
}

const isObject = (value) => typeof value === "object" && value !== null;
const isAbsent = (value) => value === undefined || typeof value === "function" || typeof value === "symbol";

/** Makes a rule; `run` gives its answer, what it sent and what it logged. */
export function deploy(source, { kind = "rule", file = "rule.js" } = {}) {
  const state = { logs: [] };
  const context = vm.createContext({}, { microtaskMode: "afterEvaluate" });
  const evaluate = (code, name) => new vm.Script(code, { filename: name }).runInContext(context);
  const at = (path) => path.split(".").reduce((value, key) => value?.[key], state.originals);
  let words = 0;
  const random = (size) => {
    const bytes = Buffer.alloc(size);
    for (let index = 0; index < size; index += 32) {
      createHash("sha256").update(`${state.seed}:${words++}`).digest().copy(bytes, index);
    }
    return toArrayBuffer(bytes);
  };
  // Values cross into the other realm as text, so that `instanceof` there sees its own classes.
  const ArrayBufferThere = evaluate("ArrayBuffer", "realm");
  const toArrayBuffer = (bytes) => {
    const buffer = new ArrayBufferThere(bytes.byteLength);
    new Uint8Array(buffer).set(bytes);
    return buffer;
  };
  const parse = evaluate("JSON.parse", "realm");
  const contract = { assumed: {}, kept: undefined };
  const deferred = [];
  context.__host = {
    assume: (members) => { contract.assumed = members; },
    cover: (names) => { contract.kept = new Set(names); },
    copy: (object) => Object.assign(parse("{}"), Object.fromEntries(Object.entries(object).map(([key, value]) => [key, copied(value)]))),
    wire: (value) => (value === undefined ? undefined : parse(JSON.stringify(value))),
    isDotted: (value) => JSON.stringify(value, (key, member) => (/[.$]/.test(key) && !Array.isArray(value) ? { dotted: true } : member)) !== JSON.stringify(value),
    promise: (make) => {
      let resolve;
      const promise = evaluate("(executor) => new Promise(executor)", "realm")((settle) => { resolve = settle; });
      deferred.push(() => resolve(make()));
      return promise;
    },
    log: (level, text) => state.logs.push({ level, text }),
    changes: (path, value) => {
      const changes = changesBetween(at(path), value);
      return changes === undefined ? undefined : Object.assign(parse("{}"), changes);
    },
    random: () => new DataView(random(4)).getUint32(0),
    randomBytes: random,
    utf8Encode: (text) => toArrayBuffer(Buffer.from(text, "utf8")),
    utf8Decode: (buffer, offset = 0, length = buffer.byteLength - offset) => Buffer.from(buffer, offset, length).toString("utf8"),
    digest: (hash, data) => toArrayBuffer(createHash(HASHES[hash]).update(data).digest()),
    hmac: (hash, key, data) => toArrayBuffer(createHmac(HASHES[hash], key).update(data).digest()),
    pbkdf2: (hash, password, salt, rounds, length) => toArrayBuffer(pbkdf2Sync(password, salt, rounds, length, HASHES[hash])),
    bcrypt: (password, salt, cost) => {
      const prefix = `$2b$${String(cost).padStart(2, "0")}$${bcrypt.encodeBase64([...salt], salt.length)}`;
      const hash = bcrypt.hashSync(Buffer.from(password).toString("utf8"), prefix);
      return toArrayBuffer(Buffer.from(bcrypt.decodeBase64(hash.slice(prefix.length), 23)));
    },
    httpStart: (head, body) => {
      const request = { ...JSON.parse(head), body: body === null ? "" : Buffer.from(body).toString("utf8") };
      state.requests.push(request);
      return state.requests.length - 1;
    },
    httpResult: (handle) => {
      const { error, status, headers = {}, body = "" } = state.responses[handle];
      if (error) return JSON.stringify({ error });
      return JSON.stringify({ status, headers: Object.entries(headers), body_len: Buffer.byteLength(body) });
    },
    httpBody: (handle) => toArrayBuffer(Buffer.from(state.responses[handle].body ?? "")),
  };
  evaluate(
    `(() => {
      const Real = Date;
      const now = () => globalThis.__now;
      globalThis.Date = class Date extends Real {
        constructor(...values) { values.length === 0 ? super(now()) : super(...values); }
        static now() { return now(); }
      };
      Object.defineProperty(globalThis, "Date", { enumerable: false });
      Object.defineProperty(globalThis, "__now", { enumerable: false, writable: true, value: 0 });
      const host = globalThis.__host;
      Math.random = () => host.random() / 4294967296;
    })()`,
    "clock",
  );
  for (const name of ["__host"]) Object.defineProperty(context, name, { enumerable: false });
  script("prelude.js", "vestibule:prelude").runInContext(context);
  for (const name of modulesOf(source, kind)) script(table.modules[name].file, `vestibule:${name}`).runInContext(context);
  const wrapped = kind === "rule" ? `(${source}\n)` : `(function (exports, require, module) {${source}\n})`;
  const value = evaluate(wrapped, file);
  const seam = context.__vestibule;
  seam.define(kind, value);

  // `afterEvaluate`: the context's own jobs run here.
  const drain = () => {
    do evaluate("0", "drain"); while (deferred.splice(0).map((settle) => settle()).length > 0);
  };
  const copied = (value) => (isObject(value) && !Array.isArray(value) && Object.getPrototypeOf(Object.getPrototypeOf(value)) === null ? Object.assign(parse("{}"), value) : value);

  return {
    run({ user, context: given, configuration = {}, shared = {}, respond = () => ({ error: "http_failed" }) }) {
      const { now = 1_700_000_000_000, seed = "seed", ...about } = given;
      const there = (object) => parse(JSON.stringify(object));
      const [userThere, contextThere] = [there(user), there(about)];
      for (const [key, value] of Object.entries(contract.assumed)) contextThere[key] ??= there(value);
      if (contract.kept !== undefined && isObject(user.app_metadata)) {
        for (const [key, value] of Object.entries(userThere.app_metadata)) {
          if (!contract.kept.has(key) && !key.startsWith("last_")) userThere[key] = value;
        }
      }
      Object.assign(state, { originals: structuredClone({ user: userThere, context: contextThere, shared }), logs: [], requests: [], responses: [], seed });
      evaluate("(now) => { __now = now; }", "clock")(now);
      seam.start(userThere, contextThere, there(configuration), Object.keys(shared).length === 0 ? undefined : there(shared));
      drain();
      for (let rounds = 0; rounds < 100_000; rounds++) {
        const next = seam.waiting();
        if (next === false) break;
        if (next !== true) {
          const handle = next[0];
          state.responses[handle] = respond(state.requests[handle]);
          seam.arrived(handle);
        }
        drain();
      }
      const { deny, fail, noCallback, continue: members } = seam.finish();
      const answer = deny ? { deny } : fail ? { fail } : noCallback ? { noCallback } : { continue: members };
      return { answer: JSON.parse(JSON.stringify(answer)), requests: state.requests, logs: state.logs };
    },
  };
}
