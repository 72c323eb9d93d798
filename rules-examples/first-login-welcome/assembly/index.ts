// Notes the first login in `user_metadata`, and tells the application, so that it can welcome its new users.
import { Answer, Event, Json } from "@vestibule/rule";

const FIRST_LOGIN = "https://example.com/first_login";

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  if (event.user.get("user_metadata").has("welcome")) return Answer.allow();
  if (loginsCount(event) > 1) return Answer.allow();

  const welcome = Json.object()
    .set("at", event.now)
    .set("client", event.context.get("clientID").asString())
    .set("language", language(event));
  return Answer.allow().setUserMetadata("welcome", welcome).setIdTokenClaim(FIRST_LOGIN, true);
}

/** How often the user has logged in, this time included; who cannot be counted is not new. */
function loginsCount(event: Event): i64 {
  const stored = event.user.get("logins_count");
  return stored.isInteger ? stored.asInteger() : event.context.get("stats").get("loginsCount").asInteger(i64.MAX_VALUE);
}

/** The first language asked for, like `fr` of `fr-CA en`; `en` if none that looks like one is. */
function language(event: Event): string {
  const wanted = event.context.get("request").get("query").get("ui_locales").asString().split(" ")[0].split("-")[0].toLowerCase();
  if (wanted.length < 2 || wanted.length > 3) return "en";
  for (let at = 0; at < wanted.length; at++) {
    const letter = wanted.charCodeAt(at);
    if (letter < 0x61 || letter > 0x7a) return "en";
  }
  return wanted;
}
