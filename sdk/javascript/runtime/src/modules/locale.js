// `toLocaleString` and its like without `Intl`: in American English and UTC, as Node says it by default. What would need
// the data of another language, or options, throws: a wrong text would go out without a word.
//
// Loaded with whatever names one of them.

const ENGLISH = new Set(["en-US", "en"]);

/** Whether what is asked for is what is there. */
function checked(method, locales, options, instead) {
  const wanted = locales === undefined ? [] : [locales].flat().map(String);
  const isEnglish = wanted.length === 0 || ENGLISH.has(wanted[0]);
  const asked = Object.keys(options ?? {}).filter((name) => options[name] !== undefined);
  if (isEnglish && asked.every((name) => name === "timeZone" && options.timeZone === "UTC")) return;
  const what = [...(isEnglish ? [] : [`the language \`${wanted[0]}\``]), ...asked.map((name) => `the option \`${name}\``)];
  throw new RangeError(`${method} does not know ${what.join(" and ")}: there is no Intl in a rule. ${instead}`);
}

const ofDates = "Format it with `require('moment-timezone')`, which has languages and time zones";
const ofNumbers = "Use `toFixed`, and put signs and separators in yourself";
const two = (number) => String(number).padStart(2, "0");

function day(date) {
  const year = date.getFullYear();
  return `${date.getMonth() + 1}/${date.getDate()}/${year > 0 ? year : 1 - year}`;
}

function time(date) {
  const hours = date.getHours();
  return `${hours % 12 || 12}:${two(date.getMinutes())}:${two(date.getSeconds())} ${hours < 12 ? "AM" : "PM"}`;
}

const FORMS = {
  toLocaleString: (date) => `${day(date)}, ${time(date)}`,
  toLocaleDateString: day,
  toLocaleTimeString: time,
};

const grouped = (digits) => digits.replace(/\B(?=(?:\d{3})+$)/g, ",");

/** The digits of a number before and behind its point, as it is written shortest. */
function digitsOf(number) {
  const [, whole, part = "", power = "0"] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(number));
  const shift = Number(power);
  if (shift >= 0) return [whole + part.padEnd(shift, "0").slice(0, shift), part.slice(shift)];
  const digits = whole.padStart(1 - shift, "0");
  return [digits.slice(0, shift), digits.slice(shift) + part];
}

/** With three digits behind the point at most, half rounded up. */
function written(number) {
  if (number !== number) return "NaN";
  const sign = number < 0 || Object.is(number, -0) ? "-" : "";
  if (!Number.isFinite(number)) return `${sign}∞`;
  const [whole, part] = digitsOf(Math.abs(number));
  let kept = part.slice(0, 3);
  let all = BigInt(whole + kept);
  if (part[3] >= "5") all++;
  const digits = String(all).padStart(kept.length + 1, "0");
  const point = digits.length - kept.length;
  kept = digits.slice(point).replace(/0+$/, "");
  return `${sign}${grouped(digits.slice(0, point))}${kept === "" ? "" : `.${kept}`}`;
}

function put(prototype, name, method) {
  Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true, enumerable: false });
}

for (const [name, form] of Object.entries(FORMS)) {
  put(Date.prototype, name, function (locales, options) {
    const isValid = !Number.isNaN(Date.prototype.getTime.call(this));
    checked(`Date.prototype.${name}`, locales, options, ofDates);
    return isValid ? form(this) : "Invalid Date";
  });
}
put(Number.prototype, "toLocaleString", function (locales, options) {
  checked("Number.prototype.toLocaleString", locales, options, ofNumbers);
  return written(Number.prototype.valueOf.call(this));
});
/** Lists hand on what they are asked for. */
function listed(locales, options) {
  return Array.from(this, (one) => (one === undefined || one === null ? "" : one.toLocaleString(locales, options))).join(",");
}
put(Array.prototype, "toLocaleString", listed);
put(Object.getPrototypeOf(Uint8Array.prototype), "toLocaleString", listed);
put(BigInt.prototype, "toLocaleString", function (locales, options) {
  checked("BigInt.prototype.toLocaleString", locales, options, ofNumbers);
  return grouped(BigInt.prototype.toString.call(this));
});
