// Reads three fields and sets two: the rule that benchmarks and the size test measure.
import { Answer, Event } from "@vestibule/rule";

export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  if (!event.user.get("email_verified").asBool()) return Answer.deny("email_not_verified", "confirm your e-mail first");
  const plan = event.user.get("app_metadata").get("plan").asString("free");
  return Answer.allow()
    .setIdTokenClaim("https://example.com/plan", plan)
    .setAppMetadata("last_client", event.context.get("clientID").asString());
}
