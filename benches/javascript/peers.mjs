// The peers of Node: a line "ARM RUNS" on stdin is answered by a line of so many times, in nanoseconds.
//
// fresh-context: `vm.createContext` and the rule's compiled script, for each login. isolated-fresh: a fresh context in one
// isolate. isolated-reused: one context for everybody, which keeps state between logins. Each parses the event from JSON,
// runs the rule and writes the result as JSON.
import fs from 'node:fs';
import readline from 'node:readline';
import vm from 'node:vm';

const [eventFile] = process.argv.slice(2);
const read = (name) => fs.readFileSync(new URL(name, import.meta.url), 'utf8');
const event = fs.readFileSync(eventFile, 'utf8');
const [globals, rule, drive] = ['globals.js', 'rule.js', 'drive.js'].map(read);
const driver = `(${drive.replace(/^\/\/.*$/gm, '')})`;

const script = new vm.Script(`${globals}\n${rule}\n${driver}`, { filename: 'rule.js', produceCachedData: true });
const arms = { 'fresh-context': () => script.runInContext(vm.createContext({}))(event) };

const isolatedVm = await import('isolated-vm').then((module) => module.default, () => undefined);
if (isolatedVm) {
  const isolate = new isolatedVm.Isolate({ memoryLimit: 128 });
  const compiled = isolate.compileScriptSync(`${globals}\n${rule}\n${driver}`);
  const driverOf = (context) => compiled.runSync(context, { reference: true });
  const call = (reference) => reference.applySync(undefined, [event], { result: { copy: true } });
  arms['isolated-fresh'] = () => {
    const context = isolate.createContextSync();
    const driver = driverOf(context);
    const result = call(driver);
    driver.release();
    context.release();
    return result;
  };
  const reused = driverOf(isolate.createContextSync());
  arms['isolated-reused'] = () => call(reused);
}

const expected = JSON.parse(arms['fresh-context']());
if (expected.context.idToken['https://example.com/plan'] === undefined || expected.staged === undefined) throw new Error('the rule did not run');
for (const [name, arm] of Object.entries(arms)) {
  if (JSON.stringify(JSON.parse(arm())) !== JSON.stringify(expected)) throw new Error(`${name} differs`);
}
console.log(Object.keys(arms).join(' '));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [name, runs] = line.split(' ');
  const times = [];
  for (let run = 0; run < Number(runs); run++) {
    const began = process.hrtime.bigint();
    arms[name]();
    times.push(process.hrtime.bigint() - began);
  }
  console.log(times.join(' '));
}
