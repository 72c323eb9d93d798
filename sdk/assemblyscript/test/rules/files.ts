// Reads the rule's own files.
import { Answer, log, open } from "@vestibule/rule";

export function run(): void {
  log.debug("d");
  log.info("ï");
  log.warn("w");
  log.error("e");
  const answer = Answer.allow().setShared("absent", open("absent.txt") == null);
  const file = open("plans.json");
  if (file != null) {
    const part = file.read(2, 4);
    answer.setShared("size", file.size).setShared("text", file.text()).setShared("part", String.UTF8.decode(part));
    answer.setShared("gold", file.json().get("gold")).setShared("end", file.read(file.size - 1, 100).byteLength);
  }
  answer.send();
}
