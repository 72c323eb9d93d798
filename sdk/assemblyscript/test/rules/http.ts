// Asks two services, the slower one first.
import { Answer, Event, Json, Request, wait } from "@vestibule/rule";

export function run(): void {
  const event = Event.read();
  const slow = Request.get("https://api.example.com/slow").header("authorization", "Bearer {{secret:CRM_TOKEN}}").timeoutMs(750).redirects(2).start();
  const body = Json.object().set("email", event.user.get("email")).set("n", 1);
  const fast = Request.post("https://api.example.com/fast").json(body).start();
  const first = wait([slow, fast]);
  const answer = Answer.allow().setShared("first", first == fast ? "fast" : "slow").setShared("fast", fast.response().text());
  const reply = slow.response();
  if (reply.error.length > 0) answer.setShared("error", reply.error);
  else {
    answer.setShared("status", reply.status).setShared("ok", reply.ok).setShared("plan", reply.json().get("plan"));
    answer.setShared("type", reply.header("Content-Type")).setShared("none", reply.header("x-none")).setShared("length", reply.length);
    answer.setShared("owner", reply.json().get("owner").requireString());
  }
  answer.send();
}
