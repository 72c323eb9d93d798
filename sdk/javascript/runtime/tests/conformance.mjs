// What rules use of the language, case by case: each is evaluated by Node and by the sandbox, and must come to the same.
//
// A file of `conformance/` is one group of features: an object of functions, by what they are about. A function's value, or
// the promise's, is compared by how it is written; of what it throws the name is. With VESTIBULE=path/to/vestibule; an
// argument chooses groups by a part of their name.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { runVestibule } from "./vestibule.mjs";

const groups = join(dirname(fileURLToPath(import.meta.url)), "conformance");
const { VESTIBULE } = process.env;
const [chosen = ""] = process.argv.slice(2);
/** Where it is known to differ, and how: the README says so. */
const DIFFERS = { "objects.js: spread of a string": "{}" };
const event = { user: { user_id: "auth0|conformance" }, context: { now: 1_700_000_000_000 }, configuration: {}, shared: {} };

/** Writes a value so that two that differ are written differently. Runs on both sides, so it is a text of its own. */
const show = `function show(value) {
  switch (typeof value) {
    case 'string': return JSON.stringify(value);
    case 'number': return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint': return value + 'n';
    case 'function': return 'function ' + value.name + '/' + value.length;
    case 'symbol': return value.toString();
    case 'object': break;
    default: return String(value);
  }
  if (value === null) return 'null';
  if (value instanceof Error) return value.name;
  if (value instanceof Date) return isNaN(value) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Map) return 'Map ' + show([...value]);
  if (value instanceof Set) return 'Set ' + show([...value]);
  if (ArrayBuffer.isView(value)) return value.constructor.name + ' ' + show(Array.from(value));
  if (Array.isArray(value)) {
    const written = [];
    for (let at = 0; at < value.length; at++) written.push(at in value ? show(value[at]) : 'hole');
    return '[' + written.join(', ') + ']';
  }
  const name = value.constructor === Object || value.constructor === undefined ? '' : value.constructor.name + ' ';
  return name + '{' + Reflect.ownKeys(value).map((key) => String(key) + ': ' + show(value[key])).join(', ') + '}';
}`;

/** Runs all cases of a group; its results by name. */
const collect = `async function collect(cases) {
  const results = {};
  for (const [name, run] of Object.entries(cases)) {
    try {
      results[name] = show(await run());
    } catch (error) {
      results[name] = 'throws ' + (error instanceof Error ? error.name : show(error));
    }
  }
  return results;
}`;

const rule = (source) => `function (user, context, callback) {
${show}
${collect}
collect(${source}).then((results) => {
  context.idToken['https://conformance.example.com/'] = JSON.stringify(results);
  callback(null, user, context);
}, callback);
}`;

async function underNode(source) {
  const context = vm.createContext({ setTimeout, clearTimeout, setInterval, clearInterval });
  return { ...(await vm.runInContext(`${show}\n${collect}\ncollect(${source})`, context)) };
}

function inTheSandbox(source) {
  const report = runVestibule(VESTIBULE, rule(source), event, []);
  assert.equal(report.outcome, "allow", JSON.stringify(report.failure ?? report.deny ?? report.error));
  return JSON.parse(report.id_token["https://conformance.example.com/"]);
}

assert.ok(VESTIBULE, "VESTIBULE=path/to/vestibule");
let [passed, failed] = [0, 0];
for (const file of readdirSync(groups).sort()) {
  if (!file.includes(chosen)) continue;
  const source = readFileSync(join(groups, file), "utf8");
  const expected = await underNode(source);
  const came = inTheSandbox(source);
  for (const [name, ofNode] of Object.entries(expected)) {
    const value = DIFFERS[`${file}: ${name}`] ?? ofNode;
    if (came[name] === value) {
      passed++;
    } else {
      failed++;
      console.error(`FAILED ${file}: ${name}\n  expected  ${value}\n  came      ${came[name]}`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
