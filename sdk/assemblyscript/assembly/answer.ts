/**
 * What a rule says: go on with some changes, or refuse the login. The two are different types, so "refuse and change"
 * cannot be written. Nothing happens before `send`.
 */

import { Bytes } from "./bytes";
import { Members, writeText, writeValue } from "./json";
import { fail } from "./abort";
import * as host from "./host";

/** A rule's answer. A run sends exactly one. */
export abstract class Answer {
  /** Go on. Changes are added to it. */
  static allow(): Allow {
    return new Allow();
  }

  /** Refuse the login with a code (`[a-z][a-z0-9_]*`) for programs, and a reason for people. */
  static deny(code: string, reason: string = ""): Answer {
    return new Deny(code, reason);
  }

  /** Hands the answer to the host: the last thing a rule does. */
  send(): void {
    const bytes = new Bytes(256);
    this.writeTo(bytes);
    host.answer(bytes.ptr, <i32>bytes.len);
  }

  protected abstract writeTo(to: Bytes): void;
}

class Deny extends Answer {
  constructor(private code: string, private reason: string) {
    super();
  }

  protected writeTo(to: Bytes): void {
    to.ascii('{"deny":{"code":');
    if (!writeText(to, this.code)) fail("deny.code: the text holds a lone surrogate or NUL");
    if (this.reason.length > 0) {
      to.ascii(',"reason":');
      if (!writeText(to, this.reason)) fail("deny.reason: the text holds a lone surrogate or NUL");
    }
    to.ascii("}}");
  }
}

/**
 * Go on, with changes. `rule.toml` has to declare each in `writes`.
 *
 * A value is a string, a boolean, an integer, a number, a `Json`, a `Node` of the event, or an array of these.
 */
export class Allow extends Answer {
  private bags: Members | null = null;
  private scopes: string[] | null = null;
  private redirectUrl: string | null = null;
  private secondFactor: bool = false;
  private rememberBrowser: bool = false;

  /** Stores a value that the user may see and change. */
  setUserMetadata<T>(key: string, value: T): Allow {
    return this.set<T>("user_metadata", key, value);
  }

  /** Deletes a key of `user_metadata`. */
  deleteUserMetadata(key: string): Allow {
    return this.unset("user_metadata", key);
  }

  /** Stores a value that only applications may see and change. */
  setAppMetadata<T>(key: string, value: T): Allow {
    return this.set<T>("app_metadata", key, value);
  }

  /** Deletes a key of `app_metadata`. */
  deleteAppMetadata(key: string): Allow {
    return this.unset("app_metadata", key);
  }

  /** Sets a property of `user` for later rules and profile claims; it is not stored. */
  setUser<T>(key: string, value: T): Allow {
    return this.set<T>("user", key, value);
  }

  /** Hides a property of `user` from later rules and profile claims. */
  deleteUser(key: string): Allow {
    return this.unset("user", key);
  }

  /** Sets a property of `context` for later rules. */
  setContext<T>(key: string, value: T): Allow {
    return this.set<T>("context", key, value);
  }

  /** Hides a property of `context` from later rules. */
  deleteContext(key: string): Allow {
    return this.unset("context", key);
  }

  /** Leaves a value for later rules of this login. */
  setShared<T>(key: string, value: T): Allow {
    return this.set<T>("shared", key, value);
  }

  /** Takes away what an earlier rule of this login left. */
  deleteShared(key: string): Allow {
    return this.unset("shared", key);
  }

  /** Sets a claim of the ID token. */
  setIdTokenClaim<T>(name: string, value: T): Allow {
    return this.set<T>("id_token", name, value);
  }

  /** Takes away a claim of the ID token that an earlier rule set. */
  deleteIdTokenClaim(name: string): Allow {
    return this.unset("id_token", name);
  }

  /** Sets a claim of the access token. */
  setAccessTokenClaim<T>(name: string, value: T): Allow {
    return this.set<T>("access_token", name, value);
  }

  /** Takes away a claim of the access token that an earlier rule set. */
  deleteAccessTokenClaim(name: string): Allow {
    return this.unset("access_token", name);
  }

  /** Replaces the scope that was granted. */
  setScope(scope: string[]): Allow {
    this.scopes = scope;
    return this;
  }

  /** Demands a second factor; `rememberBrowser` lets the user skip it on this browser for a while. */
  requireSecondFactor(rememberBrowser: bool = false): Allow {
    this.secondFactor = true;
    this.rememberBrowser = rememberBrowser;
    return this;
  }

  /** Sends the browser elsewhere first; the rules run again when it comes back to `/continue`. */
  redirect(url: string): Allow {
    this.redirectUrl = url;
    return this;
  }

  protected writeTo(to: Bytes): void {
    to.ascii('{"continue":{');
    const start = to.len;
    let bag = this.bags;
    while (bag != null) {
      this.member(to, start, bag.path);
      bag.writeTo(to);
      bag = bag.next;
    }
    const scopes = this.scopes;
    if (scopes != null) {
      this.member(to, start, "scope");
      writeValue<string[]>(to, scopes, "", "scope");
    }
    if (this.secondFactor) {
      this.member(to, start, "second_factor");
      to.ascii(this.rememberBrowser ? '{"allow_remember_browser":true}' : '{"allow_remember_browser":false}');
    }
    const url = this.redirectUrl;
    if (url != null) {
      this.member(to, start, "redirect");
      to.ascii('{"url":');
      writeValue<string>(to, url, "redirect", "url");
      to.byte(0x7d);
    }
    to.ascii("}}");
  }

  private member(to: Bytes, start: usize, name: string): void {
    if (to.len != start) to.byte(0x2c);
    to.byte(0x22);
    to.ascii(name);
    to.byte(0x22);
    to.byte(0x3a);
  }

  private set<T>(bag: string, key: string, value: T): Allow {
    this.members(bag).set<T>(key, value);
    return this;
  }

  private unset(bag: string, key: string): Allow {
    this.members(bag).setNull(key);
    return this;
  }

  /** The changes of one bag, which is made when it is first asked for. */
  private members(name: string): Members {
    let bag = this.bags;
    while (bag != null) {
      if (bag.path == name) return bag;
      bag = bag.next;
    }
    const added = new Members(name);
    added.next = this.bags;
    this.bags = added;
    return added;
  }
}
