// Goes through two hundred groups, sets two claims, stores one key.
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
  let count = 0;
  let last = "";
  const groups = user.get("groups").items();
  while (groups.next()) {
    const group = groups.value.requireString();
    if (!group.startsWith("sales:")) continue;
    count += 1;
    last = group;
  }
  return Answer.allow()
    .setIdTokenClaim("https://example.com/sales_groups", count)
    .setIdTokenClaim("https://example.com/last_sales_group", last)
    .setAppMetadata("sales_groups", count);
}
