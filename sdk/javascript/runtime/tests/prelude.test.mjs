// What the corpus cannot compare with Node: Actions, what passes from rule to rule, what the prelude does with a host
// that is not Auth0's.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { deploy } from "./sandbox.mjs";

const { user, context } = JSON.parse(readFileSync(new URL("corpus/event.json", import.meta.url), "utf8"));
const event = (more = {}) => structuredClone({ user, context, ...more });
const run = (source, { respond, ...more } = {}, options) => deploy(source, options).run({ ...event(more), respond });
const action = (source, more) => run(`exports.onExecutePostLogin = async (event, api) => { ${source} };`, more, { kind: "action" });
const members = (result) => {
  assert.ok(result.answer.continue, JSON.stringify(result.answer));
  return result.answer.continue;
};

test("an Action reads its event", () => {
  const result = action(`
    api.idToken.setCustomClaim('seen', [event.user.app_metadata.plan, event.client.name, event.request.geoip.cityName, event.secrets.K,
      event.stats.logins_count, event.transaction.requested_scopes, event.authentication.methods[0].timestamp, event.request.user_agent.slice(0, 7)]);`,
    { configuration: { K: "v" } });
  assert.deepEqual(members(result).id_token.seen, ["gold", "Shop", "London", "v", 5, ["openid", "profile"], "2026-01-05T08:29:59.000Z", "Mozilla"]);
});

test("an Action's metadata is always an object, and writing to the event changes nothing", () => {
  const result = action("event.user.user_metadata.x = 1; event.user.name = 'other';", { user: { ...user, user_metadata: undefined } });
  assert.deepEqual(members(result), {});
});

test("an Action stages metadata, claims, scope, factor and redirect", () => {
  const result = action(`
    api.user.setAppMetadata('a', 1).user.setUserMetadata('b', null);
    api.accessToken.setCustomClaim('c', true);
    api.accessToken.addScope('read:x');
    api.accessToken.removeScope('profile');
    api.multifactor.enable('any', { allowRememberBrowser: true });
    api.redirect.sendUserTo('https://forms.example.com/?a=1', { query: { 'é': 'b c' } });
    api.transaction.setMetadata('step', 2);
    api.authentication.setPrimaryUser('auth0|5f7c8ec7c33c6c004bbafe82');`);
  assert.deepEqual(members(result), {
    app_metadata: { a: 1 },
    user_metadata: { b: null },
    access_token: { c: true },
    scope: ["openid", "read:x"],
    second_factor: { allow_remember_browser: true },
    redirect: { url: "https://forms.example.com/?a=1&%C3%A9=b%20c" },
    shared: { "transaction.metadata": { step: 2 } },
    context: { primaryUser: "auth0|5f7c8ec7c33c6c004bbafe82" },
  });
});

test("transaction metadata passes from Action to Action", () => {
  const result = action("api.idToken.setCustomClaim('step', event.transaction.metadata.step);", { shared: { "transaction.metadata": { step: 2 } } });
  assert.deepEqual(members(result), { id_token: { step: 2 } });
});

test("an Action refuses with access_denied, or with a code of its own", () => {
  assert.deepEqual(action("api.access.deny('no'); api.user.setAppMetadata('a', 1);").answer, { deny: { code: "access_denied", reason: "no" } });
  assert.deepEqual(action("throw new Error('broken');").answer, { deny: { code: "access_denied", reason: "broken" } });
  assert.deepEqual(action("api.validation.error('Too-Young!', 'wait');").answer, { deny: { code: "too_young_", reason: "wait" } });
  assert.match(action("api.user.setAppMetadata('a', undefined);").answer.deny.reason, /Payload validation error/);
});

test("an Action's claim that is undefined is left out, as JSON leaves it out", () => {
  const source = `
    for (const token of [api.idToken, api.accessToken]) {
      token.setCustomClaim('plan', event.user.app_metadata.nothing);
      token.setCustomClaim('set', 1);
      token.setCustomClaim('set', undefined);
      token.setCustomClaim('kept', null);
      token.setCustomClaim('run', () => 1);
    }`;
  const none = { plan: null, set: null, kept: null, run: null };
  assert.deepEqual(members(action(source)), { id_token: none, access_token: none });
  assert.match(action("api.user.setUserMetadata('a', undefined);").answer.deny.reason, /Payload validation error/);
});

test("an Action takes back the claim that an earlier rule set, as a rule does", () => {
  const first = members(action("api.idToken.setCustomClaim('plan', 'gold'); api.accessToken.setCustomClaim('plan', 'gold');"));
  const staged = { context: { ...context, idToken: first.id_token, accessToken: first.access_token } };
  const second = action("api.idToken.setCustomClaim('plan', undefined); api.accessToken.setCustomClaim('plan', undefined);", staged);
  const rule = run("function (user, context, callback) { context.idToken.plan = undefined; context.accessToken.plan = undefined; callback(null, user, context); }", staged);
  assert.deepEqual(members(second), { id_token: { plan: null }, access_token: { plan: null } });
  assert.deepEqual(second.answer, rule.answer);
});

test("what an Action asks for after its end is ignored, with a line in the log", () => {
  const late = (ask) => `setTimeout(() => { ${ask} }, 3000);`;
  const result = action(`
    const risk = { level: 'high' };
    api.idToken.setCustomClaim('risk', risk);
    api.multifactor.enable('any');
    ${late("risk.level = 'none'; api.idToken.setCustomClaim('risk', undefined);")}
    ${late("api.redirect.sendUserTo('https://forms.example.com/');")}
    ${late("api.access.deny('late');")}
    ${late("api.user.setAppMetadata('a', 1).user.setUserMetadata('b', 2);")}
    ${late("api.accessToken.addScope('admin');")}`);
  assert.deepEqual(members(result), { id_token: { risk: { level: "high" } }, second_factor: { allow_remember_browser: false } });
  const asked = ["idToken.setCustomClaim", "redirect.sendUserTo", "access.deny", "user.setAppMetadata", "user.setUserMetadata", "accessToken.addScope"];
  assert.deepEqual(result.logs.map(({ text }) => text), asked.map((what) => `ignored: after the end: api.${what}`));
});

test("an Action stores by the management API, also late, and what it asks of `api` comes after that", () => {
  const result = run(`const { ManagementClient } = require('auth0');
    exports.onExecutePostLogin = async (event, api) => {
      const { users } = new ManagementClient({ token: 't', domain: 'd' });
      const id = event.user.user_id;
      api.user.setAppMetadata('both', 'api');
      await users.updateAppMetadata({ id }, { both: 'client', stored: 1 });
      setTimeout(() => users.updateUserMetadata({ id }, { late: true }), 3000);
    };`, {}, { kind: "action" });
  assert.deepEqual(members(result), { app_metadata: { both: "api", stored: 1 }, user_metadata: { late: true } });
  assert.deepEqual(result.logs, []);
});

test("what a rule stores late is stored, and no longer in memory only", () => {
  const result = run(`function (user, context, callback) {
    user.app_metadata.trial = true;
    callback(null, user, context);
    setTimeout(() => auth0.users.updateAppMetadata(user.user_id, { trial: true }), 3000);
  }`);
  assert.deepEqual(members(result), { app_metadata: { trial: true } });
});

test("an answer that cannot be taken fails when the rule is over, and its author cannot catch that", () => {
  const source = `function (user, context, callback) {
    context.redirect = { get url() { throw new Error('broken'); } };
    try { callback(null, user, context); } catch (error) { callback(null, {}, {}); }
  }`;
  assert.throws(() => run(source), /broken/);
});

test("a key called __proto__ is copied as a key", () => {
  const result = run(`function (user, context, callback) {
    const copy = structuredClone(JSON.parse('{"__proto__": {"admin": true}, "list": [{"__proto__": 1}]}'));
    context.idToken.seen = [copy.admin === undefined, Object.keys(copy), Object.keys(copy.list[0])];
    callback(null, user, context);
  }`);
  assert.deepEqual(members(result).id_token.seen, [true, ["__proto__", "list"], ["__proto__"]]);
});

test("the names in a form cannot add to its head", () => {
  const source = (contentType) => `function (user, context, callback) {
    const options = { filename: 'a".txt\\r\\nX-Other: 1', contentType: ${JSON.stringify(contentType)} };
    const formData = { 'x"; filename="y\\r\\n': { value: 'v', options } };
    require('request').post({ url: 'https://files.example.com/', formData }, (error) => callback(error, user, context));
  }`;
  const result = run(source("text/plain"), { respond: () => ({ status: 200 }) });
  const head = 'form-data; name="x%22; filename=%22y%0D%0A"; filename="a%22.txt%0D%0AX-Other: 1"\r\nContent-Type: text/plain\r\n\r\nv\r\n';
  assert.ok(result.requests[0].body.includes(`\r\nContent-Disposition: ${head}`), result.requests[0].body);
  assert.match(run(source("text/plain\r\nX-Other: 1")).answer.deny.reason, /`contentType` of a part of `formData` has a line end/);
});

test("an Action finds the keys of app_metadata on the root of the user, except over what is the host's", () => {
  const source = "api.idToken.setCustomClaim('seen', [event.user.plan, event.user.email, event.user.app_metadata.email]);";
  const result = action(source, { user: { ...user, app_metadata: { plan: "gold", email: "other" } } });
  assert.deepEqual(members(result), { id_token: { seen: ["gold", user.email, "other"] } });
});

test("an Action may be the object of a module", () => {
  const result = run("module.exports = { onExecutePostLogin: async (event, api) => { api.idToken.setCustomClaim('a', 1); } };", {}, { kind: "action" });
  assert.deepEqual(members(result), { id_token: { a: 1 } });
});

test("an Action whose promise never settles has not ended", () => {
  assert.deepEqual(action("await new Promise(() => {});").answer, { noCallback: true });
});

test("the Action that asked for a redirect continues after it, the others run as they did", () => {
  const source = (asks) => `
    exports.onExecutePostLogin = async (event, api) => {
      if (${asks}) api.redirect.sendUserTo('https://forms.example.com/', { query: { t: api.redirect.encodeToken({ secret: 's', payload: { a: 1 } }) } });
      else api.idToken.setCustomClaim('executed', true);
    };
    exports.onContinuePostLogin = async (event, api) => { api.idToken.setCustomClaim('answer', event.request.query.answer); };`;
  const back = { context: { ...context, protocol: "redirect-callback", request: { ...context.request, query: { answer: "yes" } } } };
  const first = run(source("true"), {}, { kind: "action" });
  assert.match(members(first).redirect.url, /^https:\/\/forms\.example\.com\/\?t=eyJ/);
  assert.deepEqual(members(run(source("true"), back, { kind: "action" })), { id_token: { answer: "yes" } });
  assert.deepEqual(members(run(source("false"), back, { kind: "action" })), { id_token: { executed: true } });
});

test("an Action validates the token it is brought", () => {
  const source = `
    const jwt = require('jsonwebtoken');
    exports.onExecutePostLogin = async (event, api) => {
      const good = jwt.sign({ state: 's1', n: 7 }, 'secret', { expiresIn: 60 });
      event.request.query.session_token = good;
      api.idToken.setCustomClaim('n', api.redirect.validateToken({ secret: 'secret' }).n);
      event.request.query.session_token = jwt.sign({ state: 'other' }, 'secret', { expiresIn: 60 });
      try { api.redirect.validateToken({ secret: 'secret' }); } catch (error) { api.idToken.setCustomClaim('why', error.message); }
    };`;
  assert.deepEqual(members(run(source, {}, { kind: "action" })).id_token, { n: 7, why: "the token belongs to another login: `state` differs" });
});

test("an Action can fetch", () => {
  const source = `exports.onExecutePostLogin = async (event, api) => {
    const [a, b] = await Promise.all(['a', 'b'].map((name) => fetch('https://api.example.com/' + name).then((response) => response.json())));
    api.idToken.setCustomClaim('both', [a, b]);
  };`;
  const result = run(source, { respond: undefined }, { kind: "action" });
  assert.match(result.answer.deny.reason, /^request to https:\/\/api\.example\.com\/a failed/);
});

test("a later rule sees what an earlier one changed in memory, and it is not stored", () => {
  const first = run("function (user, context, callback) { user.app_metadata.trial = true; delete user.app_metadata.plan; callback(null, user, context); }");
  const { shared } = members(first);
  assert.deepEqual(members(first), { shared: { "user.app_metadata": { trial: true, plan: null } } });
  const second = run("function (user, context, callback) { context.idToken.saw = [user.app_metadata.trial, user.trial, 'plan' in user.app_metadata]; callback(null, user, context); }", { shared });
  assert.deepEqual(members(second), { id_token: { saw: [true, true, false] } }, "what travels on is not said again");
});

test("a rule that is not given a key does not undo that an earlier one deleted it", () => {
  const shared = { "user.app_metadata": { role: null } };
  const looks = "function (user, context, callback) { context.idToken.email = user.email; callback(null, user, context); }";
  const narrowed = { user: { user_id: "auth0|1", email: "a@example.com" }, shared };
  assert.deepEqual(members(run(looks, narrowed)), { id_token: { email: "a@example.com" } }, "what travels on is as it was");
  const sets = "function (user, context, callback) { user.app_metadata.role = 'x'; callback(null, user, context); }";
  assert.deepEqual(members(run(sets, narrowed)), { shared: { "user.app_metadata": { role: "x" } } });
  const stores = "function (user, context, callback) { auth0.users.updateAppMetadata(user.user_id, { role: 'y' }).then(() => callback(), callback); }";
  assert.deepEqual(members(run(stores, narrowed)), { app_metadata: { role: "y" }, shared: { "user.app_metadata": null } });
});

test("what is stored after all is no longer in memory only", () => {
  const shared = { "user.app_metadata": { trial: true } };
  const result = run("function (user, context, callback) { auth0.users.updateAppMetadata(user.user_id, { trial: true }).then(() => callback(), callback); }", { shared });
  assert.deepEqual(members(result), { app_metadata: { trial: true }, shared: { "user.app_metadata": null } });
});

test("a rule finds what it dereferences, though the event has none of it", () => {
  const source = `function (user, context, callback) {
    context.samlConfiguration.audience = 'a';
    context.idToken.seen = [context.request.query.x, context.stats.loginsCount, context.riskAssessment.assessments.NewDevice.confidence,
      context.clientMetadata.y, context.connectionOptions.z, context.authentication.methods.length];
    callback(null, user, context);
  }`;
  const result = run(source, { context: { now: 1, protocol: "samlp" } });
  assert.deepEqual(members(result), { id_token: { seen: [null, 0, "neutral", null, null, 0] }, context: { samlConfiguration: { audience: "a" } } });
  assert.deepEqual(result.logs, []);
});

test("what belongs to the host is dropped with a line in the log", () => {
  const result = run("function (user, context, callback) { user.user_id = 'auth0|root'; context.protocol = 'x'; callback(null, user, context); }");
  assert.deepEqual(members(result), {});
  assert.deepEqual(result.logs.map(({ text }) => text), ["ignored: user.user_id is the host's, no rule can change it", "ignored: context.protocol is the host's, no rule can change it"]);
});

test("the clock and the seed are the host's, though a rule finds neither in its context", () => {
  const result = run("function (user, context, callback) { const found = [context.now, context.seed]; context.now = 1; context.seed = 'x'; context.idToken.found = found.length; callback(null, user, context); }");
  assert.deepEqual(members(result), { id_token: { found: 2 } });
  assert.deepEqual(result.logs.map(({ text }) => text), ["now", "seed"].map((name) => `ignored: context.${name} is the host's, no rule can change it`));
});

test("a redirect gate without an address fails and lets nobody through", () => {
  const result = run("function (user, context, callback) { context.redirect = { url: configuration.MISSING }; callback(null, user, context); }");
  assert.deepEqual(result.answer, { fail: "context.redirect has no `url` that is a string" });
});

test("an address with spaces is sent as browsers read it", () => {
  const rule = run("function (user, context, callback) { context.redirect = { url: ' https://forms.example.com/a b?c=d\u00a0e\\n ' }; callback(null, user, context); }");
  assert.deepEqual(members(rule), { redirect: { url: "https://forms.example.com/a%20b?c=d%C2%A0e" } });
  assert.deepEqual(members(action("api.redirect.sendUserTo('https://forms.example.com/a b');")), { redirect: { url: "https://forms.example.com/a%20b" } });
});

test("an e-mail address that a rule changes is asked for: the manifest says whether it is dropped", () => {
  const result = run("function (user, context, callback) { user.email = 'b@example.com'; delete user.email_verified; callback(null, user, context); }");
  assert.deepEqual(members(result), { user: { email: "b@example.com", email_verified: null } });
  assert.equal(result.logs[0].level, 2);
  assert.match(result.logs[0].text, /^user.email was changed: dropped unless `writes` names it; there later rules and the tokens follow it/);
});

test("reserved and dotted metadata keys are refused as the API does", () => {
  for (const keys of ["{ email: 'x' }", "{ 'a.b': 1 }", "{ a: { $b: 1 } }", "undefined", "[1]"]) {
    const result = run(`function (user, context, callback) { auth0.users.updateAppMetadata(user.user_id, ${keys}).then(() => callback(), callback); }`);
    assert.equal(result.answer.deny?.code, "access_denied", keys);
  }
});

test("timers that no login waits for never fire, and an endless interval ends", () => {
  const result = run("function (user, context, callback) { setTimeout(callback, 60000); setInterval(() => {}, 1000); }");
  assert.deepEqual(result.answer, { noCallback: true });
});

test("after the end timers fire once, within limits, and the log says which do not", () => {
  const source = (after) => `function (user, context, callback) { callback(null, user, context); ${after} }`;
  const logged = (after) => run(source(after)).logs.map(({ text }) => text);
  assert.deepEqual(logged("setInterval(() => console.log('again'), 10); setTimeout(() => console.log('once'), 20);"), ["once", "dropped: 1 interval that nobody cleared"]);
  assert.deepEqual(logged("setTimeout(() => {}, 60000); setTimeout(() => {}, 70000);"), ["dropped: 2 timers that no login waits for"]);
  assert.deepEqual(logged("const again = () => { n++; setTimeout(again, 1); }; let n = 0; again(); setTimeout(() => console.log(n), 32)"), ["32", "dropped: 1 timer that no login waits for"]);
  assert.deepEqual(logged("setTimeout(() => { throw new Error('late'); }, 1); clearTimeout(setTimeout(() => console.log('never'), 1));"), ["ignored: after callback: late"]);
  assert.deepEqual(logged("AbortSignal.timeout(5000).addEventListener('abort', () => console.log('aborted'));"), []);
  assert.deepEqual(logged("setInterval(() => console.log('never'), 10).unref();"), [], "nobody minds an interval that is not referenced");
});

test("a request is given up when its signal says so", () => {
  const source = `async function (user, context, callback) {
    const names = [];
    for (const signal of [AbortSignal.timeout(700), AbortSignal.abort()]) {
      await fetch('https://api.example.com/slow', { signal }).catch((error) => names.push(error.name));
    }
    context.idToken.names = names;
    callback(null, user, context);
  }`;
  const result = run(source, { respond: () => ({ error: "http_timeout" }) });
  assert.deepEqual(members(result).id_token.names, ["TimeoutError", "AbortError"]);
  assert.deepEqual(result.requests.map(({ timeout_ms }) => timeout_ms), [700]);
});

test("of two limits of time the smaller one counts, and says so in its own words", () => {
  const source = `async function (user, context, callback) {
    const said = [];
    const say = (error) => said.push(error.type || error.code || error.name);
    const url = 'https://api.example.com/slow';
    await require('node-fetch')(url, { timeout: 300, signal: AbortSignal.timeout(700) }).catch(say);
    await require('node-fetch')(url, { timeout: 700, signal: AbortSignal.timeout(300) }).catch(say);
    await require('axios').get(url, { timeout: 300, signal: AbortSignal.timeout(700) }).catch(say);
    await require('axios').get(url, { signal: AbortSignal.timeout(300) }).catch(say);
    await require('axios').get(url, { timeout: 300 }).catch(say);
    await require('axios').get(url).catch(say);
    await fetch(url).catch(say);
    context.idToken.said = said;
    callback(null, user, context);
  }`;
  const result = run(source, { respond: () => ({ error: "http_timeout" }) });
  assert.deepEqual(members(result).id_token.said, ["request-timeout", "TimeoutError", "ECONNABORTED", "ERR_CANCELED", "ECONNABORTED", "ECONNABORTED", "request-timeout"]);
  assert.deepEqual(result.requests.map(({ timeout_ms }) => timeout_ms), [...Array(5).fill(300), undefined, undefined]);
});

test("lodash has what 2 and 3 had in chains too, and what 4 has of a function", () => {
  const said = (expression) => members(run(`function (user, context, callback) { const _ = require('lodash'); context.idToken.said = ${expression}; callback(null, user, context); }`)).id_token.said;
  const list = "[{ a: 1 }, { a: 3 }, { a: 2 }]";
  assert.deepEqual(said(`_(${list}).max('a')`), { a: 3 });
  assert.deepEqual(said(`_.chain(${list}).min('a').value()`), { a: 1 });
  assert.equal(said(`_(${list}).sum('a')`), 6);
  assert.deepEqual(said("[_([1, 2, 3]).first(), _([1, 2, 3]).first(2).value(), _([1, 2, 3]).last(), _([1, 2, 3]).last(2).value(), _([1, 2, 3]).rest().value()]"), [1, [1, 2], 3, [2, 3], [2, 3]]);
  assert.deepEqual(said("[_(['a', 'b']).invoke('toUpperCase').value(), _({ f: () => 7 }).invoke('f')]"), [["A", "B"], 7]);
  assert.deepEqual(said("[_.rest((...all) => all, 1)(1, 2, 3), _.rest((one, more) => more)(1, 2, 3)]"), [[1, [2, 3]], [2, 3]]);
});

test("base64url is written, filled and taken by the constructor", () => {
  const result = run(`function (user, context, callback) {
    const written = Buffer.alloc(6);
    const count = written.write('-_-_', 1, 'base64url');
    context.idToken.seen = [new Buffer('-_-_YQ', 'base64url').toString('hex'), count, written.toString('hex'), Buffer.alloc(4).fill('-_8', 'base64url').toString('hex'),
      new Buffer('-_-_YQ', 'base64url').equals(Buffer.from('+/+/YQ==', 'base64')), new Buffer('é').toString('hex'), new Buffer('+/8=', 'base64').toString('base64url')];
    callback(null, user, context);
  }`);
  assert.deepEqual(members(result).id_token.seen, ["fbffbf61", 3, "00fbffbf0000", "fbfffbff", true, "c3a9", "-_8"]);
});

test("a reply says what its status is called", () => {
  const source = `async function (user, context, callback) {
    const { data, statusText } = await require('axios').get('https://api.example.com/', { validateStatus: null });
    const fetched = await fetch('https://api.example.com/');
    require('request')('https://api.example.com/', (error, response) => {
      context.idToken.texts = [statusText, fetched.statusText, response.statusMessage];
      callback(error, user, context);
    });
  }`;
  assert.deepEqual(members(run(source, { respond: () => ({ status: 422 }) })).id_token.texts, Array(3).fill("Unprocessable Entity"));
});

test("dates and numbers in another language, or by options, are refused with what to do instead", () => {
  const said = (expression) => run(`function (user, context, callback) { context.idToken.said = ${expression}; callback(null, user, context); }`).answer.deny?.reason;
  const dates = "Format it with `require('moment-timezone')`, which has languages and time zones";
  assert.equal(said("new Date().toLocaleDateString('de-DE')"), `Date.prototype.toLocaleDateString does not know the language \`de-DE\`: there is no Intl in a rule. ${dates}`);
  assert.equal(
    said("new Date().toLocaleString('fr', { timeZone: 'Europe/Paris', hour: '2-digit' })"),
    `Date.prototype.toLocaleString does not know the language \`fr\` and the option \`timeZone\` and the option \`hour\`: there is no Intl in a rule. ${dates}`,
  );
  assert.match(said("(12.5).toLocaleString('en-US', { style: 'currency', currency: 'USD' })"), /the option `style`.*Use `toFixed`/);
  assert.equal(said("(1234.5).toLocaleString()"), undefined);
  assert.match(said("[1234.5].toLocaleString('de-DE')"), /^Number.prototype.toLocaleString does not know the language `de-DE`/);
  assert.match(said("new Float64Array([1]).toLocaleString('de-DE')"), /^Number.prototype.toLocaleString does not know/);
  assert.equal(said("[[1234.5, null], 'a'].toLocaleString() === '1,234.5,,a' || {}.a.b"), undefined);
  const { logs } = run("function (user, context, callback) {\n  new Date().toLocaleString('de');\n}");
  assert.match(logs[0].text, /^RangeError: [^|]* \| at [^|]*rule\.js:2:/, "the author's line comes first");
});

test("what needs a public key says so", () => {
  const said = (call) => run(`function (user, context, callback) { const jwt = require('jsonwebtoken'), crypto = require('crypto'); ${call}; callback(null, user, context); }`).answer.deny?.reason;
  const why = /signatures by public keys \(RS256, ES256\) need more than a rule has/;
  assert.match(said("jwt.sign({}, '-----BEGIN RSA PRIVATE KEY-----', { algorithm: 'RS' + '256' })"), why);
  assert.match(said("jwt.verify('eyJhbGciOiJSUzI1NiJ9.e30.AA', '-----BEGIN PUBLIC KEY-----', { algorithms: ['RS' + '256'] })"), why);
  assert.match(said("crypto.createSign('RSA-SHA256')"), why);
  assert.match(said("crypto['createCipheriv']('aes-256-cbc')"), /crypto.createCipheriv is not available in a rule/);
});

test("randomness is the login's: the same seed, the same bytes", () => {
  const source = "function (user, context, callback) { context.idToken.r = [require('crypto').randomBytes(8).toString('hex'), require('uuid').v4()]; callback(null, user, context); }";
  const seeded = (seed) => members(run(source, { context: { ...context, seed } })).id_token.r;
  assert.deepEqual(seeded("a"), seeded("a"));
  assert.notDeepEqual(seeded("a"), seeded("b"));
});

test("what a rule caches in `global` and JSON cannot say is its own: the login goes on without it", () => {
  const result = run(`function (user, context, callback) {
    class Client { constructor() { this.open = true; } send() { return 'sent'; } }
    global.client = new Client();
    global.circle = { name: 'circle' };
    global.circle.self = global.circle;
    global.nested = { deep: [{ run: () => 1 }] };
    global.map = new Map([['a', 1]]);
    global.kept = [{ a: null, date: new Date(0) }, 'b', [true]];
    context.idToken.sent = global.client.send() + global.circle.self.name;
    callback(null, user, context);
  }`);
  assert.deepEqual(members(result), { id_token: { sent: "sentcircle" }, shared: { kept: [{ a: null, date: "1970-01-01T00:00:00.000Z" }, "b", [true]] } });
  const dropped = result.logs.map(({ text }) => /global\.(\w+) is more than JSON/.exec(text)?.[1]);
  assert.deepEqual(dropped, ["client", "circle", "nested", "map"]);
});

test("nothing of one login is left for the next", () => {
  const rule = deploy("function (user, context, callback) { global.n = (global.n || 0) + 1; context.idToken.n = global.n; callback(null, user, context); }");
  rule.run(event());
  const again = deploy("function (user, context, callback) { context.idToken.n = typeof n; callback(null, user, context); }").run(event());
  assert.deepEqual(members(again), { id_token: { n: "undefined" } });
});

test("the host's functions are out of the author's sight", () => {
  const result = run("function (user, context, callback) { context.idToken.seen = [typeof __host, typeof __vestibuleModule, typeof performance]; callback(null, user, context); }");
  assert.deepEqual(members(result).id_token.seen, ["undefined", "undefined", "undefined"]);
});

test("an error of the author's is logged with the author's line", () => {
  const result = run("function (user, context, callback) {\n  const x = undefined;\n  x.y();\n}");
  assert.equal(result.answer.deny.code, "access_denied");
  assert.match(result.logs[0].text, /rule\.js:3:/);
});

test("what is no rule is refused when it is deployed", () => {
  assert.throws(() => deploy("({})"), /a rule is a function/);
  assert.throws(() => deploy("exports.other = 1;", { kind: "action" }), /an Action exports a function/);
});

test("the management API of a rule knows one user", () => {
  const source = `async function (user, context, callback) {
    const { ManagementClient } = require('auth0');
    const client = new ManagementClient({ token: auth0.accessToken, domain: auth0.domain });
    const answers = [(await client.getUser({ id: user.user_id })).email];
    for (const call of [() => client.getUser({ id: 'auth0|x' }), () => client.roles.getAll(), () => client.getUsers({}), () => client.updateUser({ id: user.user_id }, { name: 'x' })]) {
      try { await call(); answers.push('done'); } catch (error) { answers.push(error.statusCode ?? error.name); }
    }
    context.idToken.answers = answers;
    callback(null, user, context);
  }`;
  assert.deepEqual(members(run(source)).id_token.answers, ["ada@example.com", 403, "TypeError", 403, 400]);
});

test("the bundles in the tree are what the sources make", () => {
  const here = new URL("..", import.meta.url).pathname;
  const made = mkdtempSync(join(tmpdir(), "vestibule-dist-"));
  try {
    execFileSync(process.execPath, [join(here, "build.mjs"), made]);
    const files = (folder) => readdirSync(folder, { recursive: true }).filter((file) => /\.(js|json|txt)$/.test(file)).sort();
    assert.deepEqual(files(made), files(join(here, "dist")));
    for (const file of files(made)) {
      assert.ok(readFileSync(join(made, file)).equals(readFileSync(join(here, "dist", file))), `${file} is stale: npm run build`);
    }
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
});

test("what a rule puts on Object.prototype, or in the place of Object.keys, is its own affair", () => {
  const spoiled = "Object.prototype.x = 1; Object.keys = () => ['y']; JSON.stringify = () => 'z'; Object.hasOwn = () => true;";
  assert.deepEqual(members(run(`function (user, context, callback) { ${spoiled} callback(null, user, context); }`)), {});
  const result = run(`function (user, context, callback) { ${spoiled} context.idToken.a = 1; auth0.users.updateAppMetadata(user.user_id, { b: 2 }).then(() => callback(null, user, context)); }`);
  assert.deepEqual(members(result), { id_token: { a: 1 }, app_metadata: { b: 2 } });
});
