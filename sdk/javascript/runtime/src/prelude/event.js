// What a rule may take for granted about `user` and `context`. The engine puts it there when it makes them: it belongs to
// what the rule was given, and is no difference afterwards.

import host from "./host.js";
import { setOf } from "./own.js";

/** Root properties that `app_metadata` never covers: they are the host's (U-2, DESIGN §7). */
const HOSTS_USER = setOf([
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

export const isHostsUserKey = (key) => key in HOSTS_USER || key.startsWith("last_");

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

/**
 * At deploy: tells the engine what a login's event is to have besides. Of a rule only what its source can name has to be
 * there; its modules may name anything.
 */
export function assume(names = Object.keys(ASSUMED)) {
  host.assume(Object.fromEntries(names.map((name) => [name, ASSUMED[name]()])));
}

/** What a source names of that. */
export const namedIn = (source) => Object.keys(ASSUMED).filter((name) => source.includes(name));

/** At deploy: `app_metadata` covers the root of `user` (U-2). */
export function coverRoot() {
  host.cover(Object.keys(HOSTS_USER));
}
