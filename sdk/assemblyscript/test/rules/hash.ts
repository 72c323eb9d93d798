// Hashes what it is given.
import { Answer, bcrypt, digest, Event, Hash, hex, hmac, pbkdf2 } from "@vestibule/rule";

export function run(): void {
  const event = Event.read();
  const text = String.UTF8.encode(event.configuration.get("text").asString());
  const key = String.UTF8.encode("key");
  const hashes = [Hash.Md5, Hash.Sha1, Hash.Sha224, Hash.Sha256, Hash.Sha384, Hash.Sha512, Hash.Ripemd160];
  const answer = Answer.allow();
  for (let at = 0; at < hashes.length; at++) {
    answer.setShared("digest" + at.toString(), hex(digest(hashes[at], text)));
    answer.setShared("hmac" + at.toString(), hex(hmac(hashes[at], key, text)));
  }
  answer.setShared("pbkdf2", hex(pbkdf2(Hash.Sha256, text, key, 3, 40)));
  answer.setShared("bcrypt", hex(bcrypt(text, String.UTF8.encode("0123456789abcdef"), 4)));
  answer.send();
}
