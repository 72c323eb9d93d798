// Sends users to the consent form until they accepted its current version, and notes when they did.
import { Answer, Event, Json, fail, log } from "@vestibule/rule";

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  const current = versionOf(event.configuration.get("CONSENT_VERSION").requireString());
  if (current == 0) fail("CONSENT_VERSION: expected a number from 1 on");
  const accepted = event.user.get("app_metadata").get("consent").get("version").asInteger();
  if (accepted >= current) return Answer.allow();

  const protocol = event.context.get("protocol").asString();
  if (protocol == "redirect-callback") return returned(event, current);
  if (!hasBrowser(protocol)) return Answer.deny("consent_required", "Log in with a browser once, to accept the terms.");

  const url = event.configuration.get("CONSENT_URL").requireString();
  log.info("asks for consent to version " + current.toString());
  return Answer.allow().redirect(url + (url.includes("?") ? "&" : "?") + "version=" + current.toString());
}

/** What the form brought back: it sends `consent_version`, or `consent_refused`. */
function returned(event: Event, current: i64): Answer {
  const request = event.context.get("request");
  const posted = request.get("body").get("consent_version");
  const agreed = posted.isMissing ? request.get("query").get("consent_version") : posted;
  if (versionOf(agreed.asString()) != current) {
    return Answer.deny("consent_required", "The terms have to be accepted to log in.");
  }
  return Answer.allow().setAppMetadata("consent", Json.object().set("version", current).set("accepted_at", event.now));
}

/** Whether a login of this protocol can show a form: neither a refresh of tokens nor a login by password alone can. */
function hasBrowser(protocol: string): bool {
  return !protocol.startsWith("oauth2-") && protocol != "delegation" && protocol != "wstrust-usernamemixed";
}

/** A version from 1 on, of at most nine digits; 0 for anything else. */
function versionOf(text: string): i64 {
  if (text.length == 0 || text.length > 9) return 0;
  let version: i64 = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    version = version * 10 + digit;
  }
  return version;
}
