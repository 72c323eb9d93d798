// Refuses logins outside working days and hours, in the time zone of the configuration.
import { Answer, Event, fail } from "@vestibule/rule";

const MINUTE: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;
const DAYS: StaticArray<string> = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  const settings = event.configuration;
  const offset = offsetMinutes(settings.get("ACCESS_UTC_OFFSET").asString("+00:00"));
  const days = settings.get("ACCESS_DAYS").asString("mon,tue,wed,thu,fri");
  const hours = settings.get("ACCESS_HOURS").asString("00:00-24:00");

  const local = floorDiv(event.now, MINUTE) + offset;
  // The first of January 1970 was a Thursday.
  const weekday = floorMod(floorDiv(local, DAY_MINUTES) + 4, 7);
  const minute = floorMod(local, DAY_MINUTES);

  if (!isListed(days, DAYS[<i32>weekday])) return Answer.deny("outside_hours", "Logins are not possible today.");
  if (!isWithin(hours, minute)) return Answer.deny("outside_hours", "Logins are possible from " + hours + ".");
  return Answer.allow();
}

/** Whether `day` is one of the days listed; an unknown word in the list fails the run, so that no typing error opens a door. */
function isListed(list: string, day: string): bool {
  let found = false;
  const words = list.split(",");
  for (let at = 0; at < words.length; at++) {
    const word = words[at].trim();
    if (!DAYS.includes(word)) fail("ACCESS_DAYS: expected days like `mon,tue`, found `" + list + "`");
    if (word == day) found = true;
  }
  return found;
}

/** Whether a minute of the day lies within `hh:mm-hh:mm`; the end is not part of it. */
function isWithin(hours: string, minute: i64): bool {
  const ends = hours.split("-");
  const from: i64 = ends.length == 2 ? minutes(ends[0]) : -1;
  const to: i64 = ends.length == 2 ? minutes(ends[1]) : -1;
  if (from < 0 || to < 0 || from >= to) fail("ACCESS_HOURS: expected `08:00-18:00`, found `" + hours + "`");
  return from <= minute && minute < to;
}

/** `+02:00` or `-05:30` as minutes. */
function offsetMinutes(offset: string): i64 {
  const sign = offset.charAt(0);
  const size = minutes(offset.substring(1));
  if ((sign != "+" && sign != "-") || size < 0 || size > 14 * 60) fail("ACCESS_UTC_OFFSET: expected `+02:00`, found `" + offset + "`");
  return sign == "-" ? -size : size;
}

/** `hh:mm` up to `24:00` as minutes, or −1. */
function minutes(clock: string): i64 {
  if (clock.length != 5 || clock.charAt(2) != ":") return -1;
  const hour = twoDigits(clock, 0);
  const minute = twoDigits(clock, 3);
  if (hour < 0 || minute < 0 || minute > 59 || hour * 60 + minute > 24 * 60) return -1;
  return hour * 60 + minute;
}

function twoDigits(text: string, at: i32): i64 {
  const tens = text.charCodeAt(at) - 0x30;
  const ones = text.charCodeAt(at + 1) - 0x30;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1 : tens * 10 + ones;
}

function floorDiv(value: i64, by: i64): i64 {
  return (value - floorMod(value, by)) / by;
}

function floorMod(value: i64, by: i64): i64 {
  return ((value % by) + by) % by;
}
