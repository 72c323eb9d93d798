// Node's own `vm` and the package `isolated-vm`, as servers that run scripts use them. It times itself; the protocol is
// that of benches/contest/src/protocol.rs.
//
//   node peer.mjs vm-fresh      a new context for each login
//   node peer.mjs vm-limited    the same with a limit of time
//   node peer.mjs ivm-context   a new context for each login, in an isolate that stays
//   node peer.mjs ivm-isolate   a new isolate for each login
//   node peer.mjs ivm-reused    one context for all logins
//
// As their documentation has it: a script is compiled once (`vm.Script`, `isolate.compileScriptSync`; a new isolate gets
// the code cache) and run in each new context. Runs in isolated-vm have a time-out; in `vm` it costs about as much as the
// rule, so both ways are measured. `vm` says itself that it is no security mechanism. JSON text goes in and comes out, so that no object of the host is within reach of the rule.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import vm from "node:vm";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

const TIMEOUT_MS = 1000;
const MEMORY_MB = 16;

const mode = isMainThread ? process.argv[2] : workerData.mode;
const ivm = mode.startsWith("ivm") ? (await import("isolated-vm")).default : undefined;

/** The script of a rule; the number makes it one of its kind. */
function source(rule, number) {
  const text = readFileSync(new URL(`../script/${rule}.js`, import.meta.url), "utf8");
  return `/* ${number} */ ${text.trimEnd()}`;
}

/** For each mode: prepares a script, and gives the function from JSON to JSON that a login calls. */
const prepare = {
  "vm-fresh"(text) {
    const script = new vm.Script(`${text}(json)`);
    return (json) => script.runInContext(vm.createContext({ json }));
  },

  "vm-limited"(text) {
    const script = new vm.Script(`${text}(json)`);
    return (json) => script.runInContext(vm.createContext({ json }), { timeout: TIMEOUT_MS });
  },

  "ivm-context"(text) {
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB });
    const script = isolate.compileScriptSync(text);
    return (json) => {
      const context = isolate.createContextSync();
      const rule = script.runSync(context, { timeout: TIMEOUT_MS, reference: true });
      const answer = rule.applySync(undefined, [json], { timeout: TIMEOUT_MS });
      rule.release();
      context.release();
      return answer;
    };
  },

  "ivm-isolate"(text) {
    const first = new ivm.Isolate({ memoryLimit: MEMORY_MB });
    const cachedData = first.compileScriptSync(text, { produceCachedData: true }).cachedData;
    first.dispose();
    return (json) => {
      const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB });
      const script = isolate.compileScriptSync(text, { cachedData });
      const rule = script.runSync(isolate.createContextSync(), { timeout: TIMEOUT_MS, reference: true });
      const answer = rule.applySync(undefined, [json], { timeout: TIMEOUT_MS });
      isolate.dispose();
      return answer;
    };
  },

  "ivm-reused"(text) {
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB });
    const rule = isolate.compileScriptSync(text).runSync(isolate.createContextSync(), { reference: true });
    return (json) => rule.applySync(undefined, [json], { timeout: TIMEOUT_MS });
  },
};

/** What a host does around its rules: the text of the event to the first, with what was stored to the next; all merged. */
function login(rules, json) {
  const idToken = {};
  let event;
  for (const rule of rules) {
    const answer = JSON.parse(rule(event === undefined ? json : JSON.stringify(event)));
    if (answer.deny) return { deny: { code: answer.deny } };
    Object.assign(idToken, answer.continue.id_token);
    event ??= JSON.parse(json);
    Object.assign(event.user.app_metadata, answer.continue.app_metadata);
  }
  return { allow: { id_token: idToken, app_metadata: event.user.app_metadata } };
}

/** One tenant's rules. */
function deploy(task, tenant) {
  const numbers = Array.from({ length: task.rules }, (_, position) => tenant * task.rules + position);
  return numbers.map((number) => prepare[mode](source(task.rule, number)));
}

const session = { task: undefined, tenants: [], json: "null", turn: 0 };

const answers = {
  open({ rule, rules, tenants }) {
    session.task = { rule, rules, tenants };
    session.tenants = Array.from({ length: tenants }, (_, tenant) => deploy(session.task, tenant));
    return "opened";
  },

  event({ event }) {
    session.json = JSON.stringify(event);
    const outcomes = session.tenants.map((rules) => login(rules, session.json));
    return { outcome: outcomes.at(-1) };
  },

  run({ logins }) {
    const nanoseconds = [];
    const once = () => {
      session.turn = (session.turn + 1) % session.tenants.length;
      const began = process.hrtime.bigint();
      login(session.tenants[session.turn], session.json);
      return Number(process.hrtime.bigint() - began);
    };
    for (let run = 0; run < logins; run++) nanoseconds.push(once());
    const before = process.resourceUsage().minorPageFault;
    once();
    return { ran: { nanoseconds, faults: process.resourceUsage().minorPageFault - before } };
  },

  /** Each thread is a worker with an event loop and rules of its own: Node shares no script between them. */
  async throughput({ threads, milliseconds }) {
    const started = new Int32Array(new SharedArrayBuffer(4));
    const data = { mode, task: session.task, json: session.json, threads, milliseconds, started };
    const workers = Array.from({ length: threads }, () => new Worker(new URL(import.meta.url), { workerData: data }));
    const rate = (worker) =>
      new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    const rates = await Promise.all(workers.map(rate));
    await Promise.all(workers.map((worker) => worker.terminate()));
    return { throughput: rates.reduce((sum, rate) => sum + rate, 0) };
  },

  memory() {
    return { memory: { kib: Math.round(process.memoryUsage.rss() / 1024) } };
  },
};

/** Logins a second of one worker, from the moment all are ready. */
function work({ task, json, threads, milliseconds, started }) {
  const rules = deploy(task, 0);
  for (let run = 0; run < 20; run++) login(rules, json);
  Atomics.add(started, 0, 1);
  Atomics.notify(started, 0);
  for (let ready = Atomics.load(started, 0); ready < threads; ready = Atomics.load(started, 0)) {
    Atomics.wait(started, 0, ready);
  }
  const enough = BigInt(milliseconds) * 1_000_000n;
  let busy = 0n;
  let logins = 0;
  for (; busy < enough; logins++) {
    const began = process.hrtime.bigint();
    login(rules, json);
    busy += process.hrtime.bigint() - began;
  }
  return (logins * 1e9) / Number(busy);
}

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

if (isMainThread) {
  const version = () =>
    JSON.parse(readFileSync(new URL("node_modules/isolated-vm/package.json", import.meta.url), "utf8")).version;
  say({ hello: ivm ? `Node ${process.versions.node}, isolated-vm ${version()}` : `Node ${process.versions.node}` });
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    try {
      say(await answers[ask.ask](ask));
    } catch (error) {
      say({ error: String(error) });
    }
  }
} else {
  parentPort.postMessage(work(workerData));
}
