// What a rule may take for granted about `user` and `context`, and the way back from it.

import { hasOwn, keysOf, toJson, valuesOf } from "./own.js";

/** Root properties that `app_metadata` never covers: they are the host's (U-2, DESIGN §7). */
const HOSTS_USER = new Set([
  "__proto__",
  "app_metadata",
  "blocked",
  "connection",
  "constructor",
  "created_at",
  "email",
  "email_verified",
  "identities",
  "logins_count",
  "multifactor",
  "password",
  "password_hash",
  "phone_number",
  "phone_verified",
  "prototype",
  "provider",
  "tenant",
  "updated_at",
  "user_id",
  "user_metadata",
]);

export const isHostsUserKey = (key) => HOSTS_USER.has(key) || key.startsWith("last_");

/** What rules dereference without asking (javascript-rules §1). */
const ASSUMED = {
  request: () => ({ query: {}, body: {}, geoip: {} }),
  idToken: () => ({}),
  accessToken: () => ({}),
  samlConfiguration: () => ({}),
  clientMetadata: () => ({}),
  connectionOptions: () => ({}),
  connectionMetadata: () => ({}),
  stats: () => ({ loginsCount: 0 }),
  sso: () => ({ current_clients: [] }),
  authentication: () => ({ methods: [] }),
  riskAssessment: () => {
    const unknown = () => ({ confidence: "neutral", code: "assessment_not_available" });
    const assessments = { UntrustedIP: unknown(), NewDevice: unknown(), ImpossibleTravel: unknown() };
    return { confidence: "neutral", version: "1", assessments };
  },
};

let assumed = Object.keys(ASSUMED);

/** At deploy: only what the source can name has to be there. */
export function assumeFor(source, hasModules) {
  if (!hasModules) assumed = Object.keys(ASSUMED).filter((key) => source.includes(key));
}

/** Fills in what is missing; gives what was put there. */
export function fillContext(context) {
  let filled;
  for (const key of assumed) {
    if (context[key] === undefined || context[key] === null) {
      context[key] = ASSUMED[key]();
      filled ??= {};
      filled[key] = context[key];
    }
  }
  return filled;
}

/** Merges `app_metadata` over the root (U-2); gives what it put there. */
export function mergeAppMetadata(user) {
  const metadata = user.app_metadata;
  if (typeof metadata !== "object" || metadata === null) return undefined;
  const keys = keysOf(metadata);
  for (const key of keys) {
    if (!isHostsUserKey(key)) user[key] = metadata[key];
  }
  return { keys, values: valuesOf(metadata) };
}

/** Takes out of a difference what `mergeAppMetadata` put there, where the rule left it as it was, or left a copy. */
export function withoutMerged(changes, merged) {
  if (changes === undefined || merged === undefined) return changes;
  const { keys, values } = merged;
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at];
    if (hasOwn(changes, key) && isLike(changes[key], values[at])) delete changes[key];
  }
  return changes;
}

function isLike(one, other) {
  return one === other || (typeof one === "object" && one !== null && toJson(one) === toJson(other));
}
