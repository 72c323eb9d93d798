// Timers of one login. Time does not pass in a rule: what would fire later fires as soon as nothing else is left to
// do, in the order of its delay, as far as Auth0 would have waited.

import { LEVEL, log } from "./host.js";

/** Auth0's limit for all rules of a login, in milliseconds. */
const PATIENCE_MS = 20_000;
/** How many timers fire after a rule has ended: one that starts itself again must not cost the login its budget. */
const MOST_LATE = 64;

/** Those that fire at one time, in the order in which they were started; by time, the earliest first. */
let moments = [];
/** How many there were, ever. */
export let started = 0;
let now = 0;
/** How many fired after the end. */
let late = 0;
let dropped = { intervals: 0, timeouts: 0 };

class Moment {
  constructor(due) {
    this.due = due;
    this.timers = [];
    /** How many of them have fired. */
    this.fired = 0;
  }
}

/** What a rule gets for a timer; `run` is gone when it was cleared. */
class Timeout {
  constructor(run) {
    this.run = run;
    this.sequence = started++;
    /** Whether nobody minds if it never fires. */
    this.isIdle = false;
  }
  ref() {
    this.isIdle = false;
    return this;
  }
  unref() {
    this.isIdle = true;
    return this;
  }
  hasRef() {
    return !this.isIdle;
  }
  refresh() {
    return this;
  }
  close() {
    this.run = undefined;
    return this;
  }
  [Symbol.toPrimitive]() {
    return this.sequence;
  }
}

function milliseconds(delay) {
  const number = Number(delay);
  return number >= 1 && number <= 0x7fffffff ? Math.trunc(number) : 1; // As Node does.
}

function start(callback, delay, values) {
  if (typeof callback !== "function") throw new TypeError('The "callback" argument must be of type function');
  const timeout = new Timeout(values.length === 0 ? callback : () => callback(...values));
  queue(timeout, now + delay);
  return timeout;
}

function queue(timeout, due) {
  let at = moments.length;
  while (at > 0 && moments[at - 1].due > due) at--;
  let moment = at > 0 ? moments[at - 1] : undefined;
  if (moment === undefined || moment.due !== due) {
    moment = new Moment(due);
    for (let behind = moments.length; behind > at; behind--) moments[behind] = moments[behind - 1];
    moments[at] = moment;
  }
  const { timers } = moment;
  timers[timers.length] = timeout;
}

/** Its period, for a timer that fires again. */
const periods = new Map();

function clear(timeout) {
  if (timeout instanceof Timeout) timeout.run = undefined;
  else if (typeof timeout === "number") clearNumbered(timeout);
}

function clearNumbered(sequence) {
  for (const { timers } of moments) for (const timer of timers) if (timer.sequence === sequence) timer.run = undefined;
}

export function forgetTimers() {
  if (moments.length > 0) moments = [];
  periods.clear();
  now = 0;
  late = 0;
  dropped = { intervals: 0, timeouts: 0 };
}

/** The earliest that is to fire. */
function first() {
  let passed = 0;
  for (; passed < moments.length; passed++) {
    const moment = moments[passed];
    while (moment.fired < moment.timers.length && moment.timers[moment.fired].run === undefined) moment.fired++;
    if (moment.fired < moment.timers.length) break;
  }
  if (passed > 0) {
    const left = moments.length - passed;
    for (let at = 0; at < left; at++) moments[at] = moments[at + passed];
    moments.length = left;
  }
  return moments[0];
}

/**
 * Runs the earliest timer that is due; tells whether there was one. When the rule `isOver`, what was begun is brought to its
 * end, as its old host did: but nothing repeats, what was unreferenced does not fire, and there is an end to it.
 */
export function runTimer(onlyImmediate, isOver, guarded) {
  if (isOver) {
    if (late >= MOST_LATE) return false;
    for (const { timers } of moments) for (const timer of timers) if (periods.has(timer)) drop(timer);
  }
  const moment = first();
  if (moment === undefined || moment.due > (onlyImmediate ? now + 1 : PATIENCE_MS)) return false;
  const timeout = moment.timers[moment.fired++];
  if (moment.due > now) now = moment.due;
  const { run } = timeout;
  if (isOver) {
    if (timeout.isIdle) return true;
    late++;
  }
  const period = periods.size === 0 ? undefined : periods.get(timeout);
  if (period !== undefined) queue(timeout, now + period); // Behind those that are due at the same time.
  guarded(run);
  return true;
}

function drop(timer) {
  if (timer.run === undefined) return;
  timer.run = undefined;
  if (!timer.isIdle) dropped.intervals++;
}

/** Nothing is left that would wait for a timer: says which never fire. */
export function dropTimers() {
  if (moments.length === 0 && dropped.intervals === 0) return;
  for (const { timers, fired } of moments) {
    for (let at = fired; at < timers.length; at++) {
      if (timers[at].run === undefined || timers[at].isIdle) continue;
      if (periods.has(timers[at])) dropped.intervals++;
      else dropped.timeouts++;
    }
  }
  moments = [];
  const { intervals, timeouts } = dropped;
  if (intervals > 0) log(LEVEL.warn, `dropped: ${intervals} interval${intervals === 1 ? "" : "s"} that nobody cleared`);
  if (timeouts > 0) log(LEVEL.warn, `dropped: ${timeouts} timer${timeouts === 1 ? "" : "s"} that no login waits for`);
}

function startInterval(callback, delay, ...values) {
  const period = milliseconds(delay);
  const timeout = start(callback, period, values);
  periods.set(timeout, period);
  return timeout;
}

export const timerFunctions = {
  setTimeout: (callback, delay, ...values) => start(callback, milliseconds(delay), values),
  setInterval: startInterval,
  setImmediate: (callback, ...values) => start(callback, 0, values),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
  queueMicrotask: (callback) => void Promise.resolve().then(callback),
};
