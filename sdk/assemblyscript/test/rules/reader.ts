// Reads what `configuration.ask` names, so that one module serves every test of reading.
import { Answer, Event, Json, Node, log, parseJson } from "@vestibule/rule";

export function run(): void {
  const event = Event.read();
  const ask = event.configuration.get("ask").requireString();
  Answer.allow().setShared("said", answer(event, ask)).send();
}

function answer(event: Event, ask: string): Json {
  const user = event.user;
  const said = Json.array();
  if (ask == "lenient") {
    const nothing = user.get("nowhere").at(3).get("deeper");
    said.add(nothing.asString("-")).add(nothing.asBool(true)).add(nothing.asInteger(7)).add(nothing.asNumber(0.5));
    said.add(nothing.exists).add(nothing.isNull).add(user.get("nickname").isNull).add(nothing.length);
    said.add(user.get("email").asInteger(-1)).add(user.get("name").asString()).add(user.has("nickname"));
  } else if (ask == "values") {
    said.add(user.get("email").requireString()).add(user.get("email_verified").requireBool());
    said.add(user.get("logins_count").requireInteger()).add(user.get("height").requireNumber());
    said.add(user.get("logins_count").asNumber()).add(user.get("naïve").requireString());
    said.add(user.get("groups").at(1).asString()).add(user.get("groups").length).add(user.get("app_metadata").length);
    said.add(event.now);
  } else if (ask == "equals") {
    const name = user.get("name");
    said.add(name.equals("Ünï😀")).add(name.equals("Ünï")).add(name.equals("Ünï😀!")).add(name.equals(""));
    said.add(user.get("email").equals("ada@example.com")).add(user.get("groups").includes("b")).add(user.get("groups").includes("c"));
    said.add(user.get("logins_count").equals("3")).add(user.get("bytes").equals("\u00c3\u00a9")).add(user.get("bytes").equals("\u00e9"));
  } else if (ask == "walk") {
    const members = user.get("app_metadata").items();
    while (members.next()) said.add(members.key).add(members.value);
    const groups = user.get("groups").items();
    while (groups.next()) said.add(groups.key + groups.value.asString());
    const nothing = user.get("email").items();
    while (nothing.next()) said.add("never");
  } else if (ask == "copy") {
    said.add(user);
  } else if (ask == "parse") {
    const read = parseJson(user.get("text").requireString());
    if (read.exists) said.add(read);
  } else if (ask.startsWith("path ")) {
    said.add(find(event, ask.substring(5)).path);
  } else if (ask.startsWith("string ")) {
    said.add(find(event, ask.substring(7)).requireString());
  } else if (ask.startsWith("bool ")) {
    said.add(find(event, ask.substring(5)).requireBool());
  } else if (ask.startsWith("integer ")) {
    said.add(find(event, ask.substring(8)).requireInteger());
  } else if (ask.startsWith("number ")) {
    said.add(find(event, ask.substring(7)).requireNumber());
  } else if (ask.startsWith("array ")) {
    said.add(find(event, ask.substring(6)).requireArray());
  } else if (ask.startsWith("object ")) {
    said.add(find(event, ask.substring(7)).requireObject());
  } else {
    log.error(ask);
  }
  return said;
}

/** Follows steps between slashes; a number is an index. */
function find(event: Event, steps: string): Node {
  const parts = steps.split("/");
  let node = event.get(parts[0]);
  for (let at = 1; at < parts.length; at++) {
    const index = parseInt(parts[at]);
    node = isNaN(index) ? node.get(parts[at]) : node.at(<i32>index);
  }
  return node;
}
