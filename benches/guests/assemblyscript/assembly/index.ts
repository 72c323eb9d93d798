// The measured rule in AssemblyScript: reads three fields, sets two. `benches/src/native.rs` does the same without a sandbox.
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
  const client = event.context.get("clientID").requireString();
  return Answer.allow().setIdTokenClaim("https://example.com/plan", plan).setAppMetadata("last_client", client);
}
