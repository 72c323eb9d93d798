// The same rule, the same event, twice: under Node with the real packages, and on the prelude. Whether it refuses, what
// it changes and what it sends must be the same.
//
// With VESTIBULE=path/to/vestibule the second run is the real engine. Not under `node:test`, which takes the uncaught
// exceptions that are a rule's refusals; arguments choose rules by a part of their name.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runOriginal } from "./original.mjs";
import { deploy } from "./sandbox.mjs";
import { expectedReport, importedReads, reported, runVestibule } from "./vestibule.mjs";

const corpus = join(dirname(fileURLToPath(import.meta.url)), "corpus");
const DOMAIN = "login.example.com";
const base = JSON.parse(readFileSync(join(corpus, "event.json"), "utf8"));
const rules = readdirSync(corpus).filter((file) => file.endsWith(".js"));

/** Objects merged, everything else replaced; `null` removes. */
function over(below, above) {
  if (above === undefined) return structuredClone(below);
  if (typeof above !== "object" || above === null || Array.isArray(above)) return above;
  const merged = typeof below === "object" && below !== null && !Array.isArray(below) ? structuredClone(below) : {};
  for (const [key, value] of Object.entries(above)) {
    if (value === null) delete merged[key];
    else merged[key] = over(merged[key], value);
  }
  return merged;
}

/** The recorded answer to a request, each used once. */
function responder(recorded = []) {
  const left = [...recorded];
  return ({ method, url }) => {
    const at = left.findIndex(({ request }) => request.method === method && new URL(request.url).href === new URL(url).href);
    if (at < 0) throw new Error(`the case has no answer for ${method} ${url}`);
    const { response } = left.splice(at, 1)[0];
    const body = typeof response.body === "object" ? JSON.stringify(response.body) : response.body;
    return { status: 200, ...response, body };
  };
}

/** What of a request a peer can tell. */
function comparable({ method, url, headers, body }) {
  const known = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const { "user-agent": _, ...rest } = known;
  // The boundary of a form is random in both.
  const boundary = /boundary=(\S+)/.exec(rest["content-type"])?.[1];
  if (boundary === undefined) return { method, url: new URL(url).href, headers: rest, body };
  const same = (text) => text.replaceAll(boundary, "boundary");
  return { method, url: new URL(url).href, headers: { ...rest, "content-type": same(rest["content-type"]) }, body: same(body) };
}

const sorted = (value) =>
  JSON.parse(
    JSON.stringify(value, (_, member) =>
      typeof member === "object" && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
        : member,
    ),
  );

/** Runs a case both ways; throws where they differ. */
async function compare(file, source, each) {
  const event = {
    user: over(base.user, each.user),
    context: over(base.context, each.context),
    configuration: each.configuration ?? {},
    shared: each.shared ?? {},
  };
  const original = await runOriginal(source, { ...structuredClone(event), respond: responder(each.http), domain: DOMAIN });
  if (process.env.VESTIBULE) {
    const expected = each.vestibule ?? expectedReport(event, original.answer); // Where a budget ends it.
    const sent = ({ method, url }) => `${method} ${new URL(url).href}`;
    // Given everything, and given what an import finds that it reads.
    for (const reads of new Set([undefined, narrowed.get(source)])) {
      const report = runVestibule(process.env.VESTIBULE, source, event, each.http ?? [], reads);
      assert.deepEqual(sorted(reported(report, expected)), sorted(expected), reads);
      assert.deepEqual((report.rules[0]?.http ?? []).map(sent), original.requests.map(sent), reads);
    }
    return;
  }
  const ours = deploy(source, { file }).run({ ...event, respond: responder(each.http) });
  assert.deepEqual(sorted(ours.answer), sorted(original.answer));
  assert.deepEqual(ours.requests.map(comparable), original.requests.map(comparable));
  if (each.expect) assert.deepEqual(sorted(original.answer), sorted(each.expect));
}

const narrowed = process.env.VESTIBULE ? importedReads(process.env.VESTIBULE, corpus) : new Map();
assert.ok(rules.length >= 60, `${rules.length} rules in the corpus`);
const chosen = process.argv.slice(2);
const failed = [];
let passed = 0;
for (const file of rules) {
  if (chosen.length > 0 && !chosen.some((part) => file.includes(part))) continue;
  const source = readFileSync(join(corpus, file), "utf8");
  const cases = JSON.parse(readFileSync(join(corpus, file.replace(/js$/, "json")), "utf8"));
  for (const [index, each] of cases.entries()) {
    const name = `${file}: ${each.name ?? index + 1}`;
    try {
      await compare(file, source, each);
      passed++;
    } catch (error) {
      failed.push(name);
      console.error(`FAILED ${name}\n${error.stack}\n`);
    }
  }
}
console.log(`the corpus: ${rules.length} rules, as under Node`);
if (process.env.VESTIBULE) {
  console.log(`${narrowed.size} of them given only what an import finds that they read`);
  assert.ok(narrowed.size >= 90, "an import tells of few what they read");
}
console.log(`${passed} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 || passed === 0 ? 1 : 0;
