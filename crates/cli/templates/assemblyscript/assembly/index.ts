// Refuses users whose e-mail address is not verified, and tells the application the plan of everybody else.
import { Answer, Event } from "@vestibule/rule";

/** Runs once for every login; `rule.toml` says what it may do. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  if (!event.user.get("email_verified").requireBool()) {
    return Answer.deny("email_not_verified", "Please verify your e-mail address first.");
  }
  const plan = event.user.get("app_metadata").get("plan");
  return Answer.allow().setIdTokenClaim("https://example.com/plan", plan.asString("free"));
}
