// Answers what `configuration.ask` names, so that one module serves every test of answers.
import { Answer, Event, Json, fail } from "@vestibule/rule";

export function run(): void {
  const event = Event.read();
  rule(event, event.configuration.get("ask").requireString()).send();
}

function rule(event: Event, ask: string): Answer {
  const text = event.user.get("text").asString();
  if (ask == "nothing") return Answer.allow();
  if (ask == "deny") return Answer.deny("outside_hours", text);
  if (ask == "deny without a reason") return Answer.deny("outside_hours");
  if (ask == "text") return Answer.allow().setUserMetadata("text", text).setUserMetadata(text, 1);
  if (ask == "half") return Answer.allow().setAppMetadata("plan", text.substring(0, 1));
  if (ask == "half in an array") return Answer.allow().setScope(["openid", text.substring(0, 1)]);
  if (ask == "nul") return Answer.allow().setAppMetadata("plan", "a\0b");
  if (ask == "half key") return Answer.allow().setAppMetadata(text.substring(0, 1), 1);
  if (ask == "nan") return Answer.allow().setAppMetadata("rate", f64.NaN);
  if (ask == "large") return Answer.allow().setAppMetadata("count", i64.MAX_VALUE);
  if (ask == "large unsigned") return Answer.allow().setAppMetadata("count", u64.MAX_VALUE);
  if (ask == "missing") return Answer.allow().setAppMetadata("copy", event.user.get("nowhere"));
  if (ask == "throw") throw new Error("no such plan");
  if (ask == "index") return Answer.allow().setAppMetadata("x", [1, 2][text.length]);
  if (ask == "fail") fail("the directory is empty");
  if (ask == "many") {
    const answer = Answer.allow();
    for (let at = 0; at < 64; at++) answer.setUserMetadata("key " + at.toString(), text);
    return answer;
  }
  const nullable: string | null = null;
  return Answer.allow()
    .setUserMetadata("string", "gold").setUserMetadata("true", true).setUserMetadata("false", false)
    .setUserMetadata("integer", -3).setUserMetadata("long", <i64>9007199254740991).setUserMetadata("number", 0.25)
    .setUserMetadata("small", 1e-7).setUserMetadata("big", 1e21).setUserMetadata("integral", 2.0)
    .setUserMetadata("null", nullable).setUserMetadata("strings", ["a", "b"]).setUserMetadata("floats", [0.5, 1.5])
    .setUserMetadata("nested", Json.object().set("a", Json.array().add(1).add("x").add(Json.object())).set("a b", [[1], [2, 3]]))
    .setAppMetadata("first", 1).setAppMetadata("second", 2).setAppMetadata("first", "again")
    .deleteAppMetadata("gone").setUser("nickname", "ada").deleteUser("name")
    .setContext("flag", true).deleteContext("other").setShared("seen", event.user.get("text")).deleteShared("old")
    .setIdTokenClaim("https://example.com/plan", "gold").deleteIdTokenClaim("a")
    .setAccessTokenClaim("https://example.com/roles", ["admin"]).deleteAccessTokenClaim("b")
    .setScope(["openid", "email"]).requireSecondFactor(true).redirect("https://forms.example.com/?a=\"b\"");
}
