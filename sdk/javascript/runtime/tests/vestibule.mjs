// Runs a rule with the `vestibule` command: the real engine, HTTP from a recording, a manifest with everything granted.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BAGS = ["user_metadata", "app_metadata", "id_token", "access_token", "user", "context", "shared"];
const BY_NAME = ["user.email", "user.email_verified", "id_token.email_verified", "access_token.email_verified", "id_token.email", "access_token.email"];

function manifest(configuration, http, reads) {
  const list = (texts) => JSON.stringify([...new Set(texts)]);
  const writes = [...BAGS.map((bag) => `${bag}.*`), ...BY_NAME, "scope", "redirect", "second_factor", "deny"];
  return `name = "rule"
language = "javascript"
source = "rule.js"
order = 1
${reads ?? ""}
writes = ${list(writes)}
[capabilities]
http = ${list(["https://unused.example.com", ...http.map(({ request }) => new URL(request.url).origin)])}
configuration = ${list(Object.keys(configuration))}
redirect = ["https://forms.example.com", "https://shop.example.com", "https://example.com"]
[limits]
fuel = 50_000_000
wall = "1000ms"
`;
}

/** By its source, the line that says what a rule reads, as `vestibule import` writes it; only where a source tells. */
export function importedReads(command, exported) {
  const folder = mkdtempSync(join(tmpdir(), "vestibule-import-"));
  try {
    const imported = spawnSync(command, ["import", "auth0", exported, "--out", join(folder, "out")], { encoding: "utf8" });
    if (imported.status !== 0) throw new Error(imported.stderr);
    const reads = new Map();
    for (const name of readdirSync(join(folder, "out"))) {
      const text = (file) => readFileSync(join(folder, "out", name, file), "utf8");
      try {
        const line = text("rule.toml").match(/^reads = .*$/m);
        if (line) reads.set(text("rule.js"), line[0]);
      } catch (error) {
        if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error; // No folder of a rule.
      }
    }
    return reads;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The report of `vestibule run --json`; `reads` is a line of its manifest. */
export function runVestibule(command, source, { user, context, configuration, shared }, http, reads) {
  const folder = mkdtempSync(join(tmpdir(), "vestibule-corpus-"));
  try {
    const write = (name, text) => writeFileSync(join(folder, name), text);
    write("rule.js", source);
    write("rule.toml", manifest(configuration, http, reads));
    write("event.json", JSON.stringify({ user, context, shared }));
    write("http.json", JSON.stringify(http));
    const keys = Object.entries(configuration).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    const options = ["run", "--rule", ".", "--event", "event.json", "--http-recording", "http.json", ...keys, "--json"];
    const { stdout, stderr } = spawnSync(command, options, { cwd: folder, encoding: "utf8" });
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Sets what is set, deletes what is `null`. */
function changed(before, changes = {}) {
  const after = { ...before, ...changes };
  for (const key of Object.keys(after)) if (after[key] === null) delete after[key];
  return after;
}

/** What the report must say of a login whose rule answered so. */
export function expectedReport({ user, context }, answer) {
  if (answer.deny) return { outcome: "deny", deny: { rule: "rule", code: answer.deny.code, reason: answer.deny.reason.replace(/\s/g, " ").slice(0, 256) } };
  if (answer.noCallback) return { outcome: "failed", failure: { code: "no_callback" } };
  const { id_token, access_token, scope, second_factor, redirect, user: root, user_metadata, app_metadata } = answer.continue;
  const isBack = context.protocol === "redirect-callback";
  if (redirect && !isBack) return { outcome: "redirect", redirect: { rule: "rule", url: new URL(redirect.url).href } };
  if (second_factor) return { outcome: "second_factor", second_factor: { rule: "rule", ...second_factor } };
  return {
    outcome: "allow",
    user: changed({ ...withoutBags(user) }, root),
    user_metadata: changed(user.user_metadata, user_metadata),
    app_metadata: changed(user.app_metadata, app_metadata),
    id_token: changed({}, id_token),
    access_token: changed({}, access_token),
    scope: scope ?? context.request.query.scope.split(" "),
  };
}

function withoutBags({ user_metadata, app_metadata, ...root }) {
  return root;
}

/** The part of a report that is compared. */
export function reported(report, expected) {
  if (report.error) return report;
  const part = Object.fromEntries(Object.keys(expected).map((key) => [key, report[key]]));
  if (part.user) part.user = withoutBags(part.user);
  if (expected.failure) part.failure = { code: report.failure?.code };
  return report.outcome === expected.outcome ? part : { ...part, failure: report.failure, deny: report.deny, logs: report.rules?.[0]?.logs };
}
