// Refuses logins from addresses that are not on a list of networks, IPv4 and IPv6.
import { Answer, Event, fail } from "@vestibule/rule";

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  const list = event.configuration.get("IP_ALLOW_LIST").requireString();
  const address = Address.parse(event.context.get("request").get("ip").asString());
  if (address == null) return Answer.deny("ip_not_allowed", "The address of this login is not known.");

  let allowed = false;
  const networks = list.split(",");
  for (let at = 0; at < networks.length; at++) {
    // The whole list is read even after a match, so that a typing error shows with the first login.
    if (contains(networks[at].trim(), address)) allowed = true;
  }
  return allowed ? Answer.allow() : Answer.deny("ip_not_allowed", "Logins from this address are not allowed.");
}

/** Whether a network like `203.0.113.0/24`, or a single address, holds an address. */
function contains(network: string, address: Address): bool {
  const slash = network.indexOf("/");
  const base = Address.parse(slash < 0 ? network : network.substring(0, slash));
  if (base == null) {
    fail("IP_ALLOW_LIST: expected networks like `203.0.113.0/24`, found `" + network + "`");
    return false;
  }
  const widest = base.isV4 ? 32 : 128;
  const prefix = slash < 0 ? widest : decimal(network.substring(slash + 1), widest);
  if (prefix < 0) fail("IP_ALLOW_LIST: expected a prefix length up to " + widest.toString() + ", found `" + network + "`");
  return base.isV4 == address.isV4 && base.sharesPrefix(address, base.isV4 ? prefix + 96 : prefix);
}

/** An address as 128 bits; an IPv4 one in its IPv6 form `::ffff:a.b.c.d`, which the two kinds of notation thereby share. */
class Address {
  constructor(public high: u64, public low: u64) {}

  /** Reads an address; `null` if the text is none. */
  static parse(text: string): Address | null {
    return text.includes(":") ? parseV6(text) : parseV4(text);
  }

  get isV4(): bool {
    return this.high == 0 && this.low >> 32 == 0xffff;
  }

  /** Whether the first `bits` are the same. */
  sharesPrefix(other: Address, bits: i32): bool {
    if (!sameBits(this.high, other.high, min(bits, 64))) return false;
    return sameBits(this.low, other.low, max(bits - 64, 0));
  }
}

function sameBits(left: u64, right: u64, bits: i32): bool {
  // Shifting by 64 would shift by 0.
  return bits == 0 || (left ^ right) >> (64 - bits) == 0;
}

function parseV4(text: string): Address | null {
  const parts = text.split(".");
  if (parts.length != 4) return null;
  let low: u64 = 0xffff;
  for (let at = 0; at < 4; at++) {
    const part = decimal(parts[at], 255);
    if (part < 0) return null;
    low = (low << 8) | <u64>part;
  }
  return new Address(0, low);
}

function parseV6(text: string): Address | null {
  const gap = text.indexOf("::");
  const groups = new Array<u32>();
  let before = -1;
  if (gap < 0) {
    if (!groupsOf(text, groups)) return null;
  } else {
    if (text.indexOf("::", gap + 1) >= 0) return null;
    if (gap > 0 && !groupsOf(text.substring(0, gap), groups)) return null;
    before = groups.length;
    const rest = text.substring(gap + 2);
    if (rest.length > 0 && !groupsOf(rest, groups)) return null;
  }
  if (gap < 0 ? groups.length != 8 : groups.length > 7) return null;
  const zeros = 8 - groups.length;
  let high: u64 = 0;
  let low: u64 = 0;
  for (let at = 0; at < 8; at++) {
    const inGap = gap >= 0 && at >= before && at < before + zeros;
    const group: u64 = inGap ? 0 : groups[gap >= 0 && at >= before + zeros ? at - zeros : at];
    if (at < 4) high = (high << 16) | group;
    else low = (low << 16) | group;
  }
  return new Address(high, low);
}

/** Adds the groups of `a:b:c`, the last of which may be an IPv4 address; `false` if one is none. */
function groupsOf(text: string, groups: Array<u32>): bool {
  const parts = text.split(":");
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    if (part.includes(".")) {
      const v4 = at == parts.length - 1 ? parseV4(part) : null;
      if (v4 == null) return false;
      groups.push(<u32>(v4.low >> 16) & 0xffff);
      groups.push(<u32>v4.low & 0xffff);
      continue;
    }
    if (part.length == 0 || part.length > 4) return false;
    let group: u32 = 0;
    for (let digit = 0; digit < part.length; digit++) {
      const value = hexDigit(part.charCodeAt(digit));
      if (value < 0) return false;
      group = (group << 4) | <u32>value;
    }
    groups.push(group);
  }
  return groups.length <= 8;
}

/** Decimal digits without a leading zero, up to `most`; −1 for anything else. */
function decimal(text: string, most: i32): i32 {
  if (text.length == 0 || text.length > 3 || (text.length > 1 && text.charCodeAt(0) == 0x30)) return -1;
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= most ? value : -1;
}

function hexDigit(unit: i32): i32 {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const letter = unit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
