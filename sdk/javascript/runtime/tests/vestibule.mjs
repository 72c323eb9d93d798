// Runs a rule with the `vestibule` command: the real engine, HTTP from a recording.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The answer as the command's report tells it. */
export function runVestibule(command, rule, { user, context, configuration, shared }, http) {
  const folder = mkdtempSync(join(tmpdir(), "vestibule-corpus-"));
  try {
    const write = (name, value) => {
      const file = join(folder, name);
      writeFileSync(file, JSON.stringify(value));
      return file;
    };
    const event = write("event.json", { user, context, shared });
    const recording = write("http.json", http);
    const keys = Object.entries(configuration).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    const output = execFileSync(command, ["run", "--rule", rule, "--event", event, "--http-recording", recording, ...keys, "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return { answer: answerOf(JSON.parse(output)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function answerOf(report) {
  throw new Error(`not yet: ${JSON.stringify(report).slice(0, 200)}`);
}
