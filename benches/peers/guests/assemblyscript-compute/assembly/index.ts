// Computes for about a millisecond of native code, sets two claims, stores one key.
import { Answer, Event } from "@vestibule/rule";

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

const STEPS = 500000;

function rule(event: Event): Answer {
  const user = event.user;
  if (!user.get("email_verified").requireBool()) {
    return Answer.deny("email_not_verified", "Please verify your e-mail address first.");
  }
  let state: u32 = 2463534242 ^ <u32>user.get("email").requireString().length;
  for (let step = 0; step < STEPS; step++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
  }
  return Answer.allow()
    .setIdTokenClaim("https://example.com/proof", state)
    .setIdTokenClaim("https://example.com/steps", STEPS)
    .setAppMetadata("proof", state);
}
