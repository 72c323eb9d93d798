// Reads three fields of the profile, sets two claims, stores one key.
import { Answer, Event } from "@vestibule/rule";

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  const user = event.user;
  if (!user.get("email_verified").requireBool()) {
    return Answer.deny("email_not_verified", "Please verify your e-mail address first.");
  }
  const plan = user.get("app_metadata").get("plan").requireString();
  return Answer.allow()
    .setIdTokenClaim("https://example.com/plan", plan)
    .setIdTokenClaim("https://example.com/email", user.get("email").requireString())
    .setAppMetadata("last_plan", plan);
}
