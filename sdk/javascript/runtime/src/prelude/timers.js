// Timers of one login. Time does not pass in a rule: what would fire later fires as soon as nothing else is left to
// do, in the order of its delay, as far as Auth0 would have waited.

/** Auth0's limit for all rules of a login, in milliseconds. */
const PATIENCE_MS = 20_000;

/** In the order in which they fire: by time, and among equals the first that was started. */
let timers = [];
let started = 0;
let now = 0;

class Timeout {
  constructor(run, delay, period) {
    this.run = run;
    this.due = now + delay;
    this.period = period;
    this.sequence = started++;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
  refresh() {
    return this;
  }
  close() {
    clear(this);
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

function start(callback, delay, period, values) {
  if (typeof callback !== "function") throw new TypeError('The "callback" argument must be of type function');
  const timeout = new Timeout(() => callback(...values), delay, period);
  queue(timeout);
  return timeout;
}

function queue(timeout) {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timers[middle].due > timeout.due) high = middle;
    else low = middle + 1;
  }
  timers.splice(low, 0, timeout);
}

function clear(timeout) {
  const at =
    timeout instanceof Timeout ? timers.indexOf(timeout) : timers.findIndex((timer) => timer.sequence === timeout);
  if (at >= 0) timers.splice(at, 1);
}

export function forgetTimers() {
  if (timers.length > 0) timers = [];
  now = 0;
}

/** Runs the earliest timer that is due before `until`; tells whether there was one. */
export function runTimer(onlyImmediate, run) {
  const first = timers[0];
  const until = onlyImmediate ? now + 1 : PATIENCE_MS;
  if (first === undefined || first.due > until) return false;
  timers.shift();
  now = Math.max(now, first.due);
  if (first.period !== undefined) {
    first.due = now + first.period;
    queue(first); // Behind those that are due at the same time.
  }
  run(first.run);
  return true;
}

export const timerFunctions = {
  setTimeout: (callback, delay, ...values) => start(callback, milliseconds(delay), undefined, values),
  setInterval: (callback, delay, ...values) => start(callback, milliseconds(delay), milliseconds(delay), values),
  setImmediate: (callback, ...values) => start(callback, 0, undefined, values),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
  queueMicrotask: (callback) => void Promise.resolve().then(callback),
};
