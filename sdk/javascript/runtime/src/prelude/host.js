// What the engine gives, taken out of the author's sight before anything else runs.
const host = globalThis.__host;
delete globalThis.__host;

export const LEVEL = { debug: 0, info: 1, warn: 2, error: 3 };

/** Writes a line to the rule's log. */
export function log(level, text) {
  host.log(level, text);
}

export default host;
