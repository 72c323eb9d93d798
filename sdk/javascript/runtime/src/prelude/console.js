import { LEVEL, log } from "./host.js";
import { describe } from "./errors.js";

const DEPTH = 4;

function show(value, depth) {
  switch (typeof value) {
    case "string":
      return depth === 0 ? value : `'${value}'`;
    case "bigint":
      return `${value}n`;
    case "function":
      return value.name ? `[Function: ${value.name}]` : "[Function (anonymous)]";
    case "symbol":
      return value.toString();
    case "object":
      return value === null ? "null" : showObject(value, depth);
    default:
      return String(value);
  }
}

function showObject(value, depth) {
  if (value instanceof Error) return describe(value);
  if (value instanceof Date) return isNaN(value) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (depth >= DEPTH) return Array.isArray(value) ? "[Array]" : "[Object]";
  if (Array.isArray(value)) {
    return value.length === 0 ? "[]" : `[ ${value.map((element) => show(element, depth + 1)).join(", ")} ]`;
  }
  const members = Object.keys(value).map((key) => `${key}: ${show(value[key], depth + 1)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

/** What `console.log` prints: Node's placeholders, then what is left, separated by spaces. */
export function format(...values) {
  let next = 0;
  let text = "";
  if (typeof values[0] === "string") {
    next = 1;
    text = values[0].replace(/%[sdifjoOc%]/g, (placeholder) => {
      if (placeholder === "%%") return "%";
      if (next >= values.length) return placeholder;
      const value = values[next++];
      switch (placeholder) {
        case "%s":
          return typeof value === "object" && value !== null ? show(value, 1) : String(value);
        case "%d":
          return String(Number(value));
        case "%i":
          return String(parseInt(value, 10));
        case "%f":
          return String(parseFloat(value));
        case "%j":
          return JSON.stringify(value);
        case "%c":
          return "";
        default:
          return show(value, 1);
      }
    });
  } else if (values.length > 0) {
    next = 1;
    text = show(values[0], 0);
  }
  for (; next < values.length; next++) text += ` ${show(values[next], 0)}`;
  return text;
}

const at = (level) => (...values) => {
  let text;
  try {
    text = format(...values);
  } catch {
    text = "(a value that cannot be shown)";
  }
  log(level, text);
};
const nothing = () => {};

export const console = {
  debug: at(LEVEL.debug),
  log: at(LEVEL.info),
  info: at(LEVEL.info),
  dir: (value) => console.log(value),
  table: at(LEVEL.info),
  warn: at(LEVEL.warn),
  error: at(LEVEL.error),
  trace: at(LEVEL.error),
  assert: (condition, ...values) => {
    if (!condition) console.error("Assertion failed", ...values);
  },
  group: at(LEVEL.info),
  groupEnd: nothing,
  time: nothing,
  timeEnd: nothing,
  timeLog: nothing,
  count: nothing,
};
