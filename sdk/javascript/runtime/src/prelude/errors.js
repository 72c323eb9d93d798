// How a rule refuses, and what is told of it (auth0-behaviour §3.5).

/** The one error that is not `access_denied`. */
export class UnauthorizedError extends Error {
  constructor(message) {
    super(message);
    this.name = "UnauthorizedError";
  }
}

/** The host shows less of a reason; what is longer would only be too large an answer. */
const REASON_CHARS = 1_000;

/** The refusal that an error stands for. */
export function refusal(error) {
  clarify(error);
  const unauthorized = error instanceof UnauthorizedError || (isObject(error) && error.name === "UnauthorizedError");
  return { code: unauthorized ? "unauthorized" : "access_denied", reason: messageOf(error).slice(0, REASON_CHARS) };
}

/** What an error says, whatever was thrown. */
export function messageOf(error) {
  if (isObject(error)) {
    if (typeof error.message === "string" && error.message !== "") return error.message;
    if (error instanceof Error) return error.name;
    try {
      return JSON.stringify(error) ?? String(error);
    } catch {
      return "an object that cannot be shown";
    }
  }
  return String(error);
}

/** Frames that tell an author nothing: those of the prelude, and of what it loads when it is needed. */
const OURS = /vestibule:(?:prelude|vestibule:)/;

/** An error with where it came from, in one line: the log has no other. */
export function describe(error) {
  if (!(error instanceof Error)) return messageOf(error);
  clarify(error);
  const head = `${error.name}: ${error.message}`;
  const stack = typeof error.stack === "string" ? error.stack : "";
  // V8 begins a stack with the message, QuickJS does not.
  const frames = (stack.startsWith(head) ? stack.slice(head.length) : stack).split("\n").map((frame) => frame.trim());
  return [head, ...frames.filter((frame) => frame !== "" && !OURS.test(frame))].join(" | ");
}

const { toString } = Function.prototype;
let author;

/** At deploy: the author's function. */
export function setAuthor(value) {
  author = value;
}

/** The engine says `not a function`, and where: what it was that was called stands there, in the author's source. */
function clarify(error) {
  if (author === undefined || !(error instanceof TypeError) || error.message !== "not a function") return;
  const frame = /^\s*at [^\n]*?([^\s(]*):(\d+):(\d+)\)?(?:\n|$)/.exec(error.stack);
  if (frame === null || frame[1].startsWith("vestibule:")) return;
  const line = frame[2] - author.lineNumber;
  const text = toString.call(author).split("\n")[line];
  const at = frame[3] - (line === 0 ? author.columnNumber : 1);
  const name = /^[\w$]+(?:\.[\w$]+|\[[^\]]*\])*(?=\s*(?:\(|`))/.exec(text?.slice(at));
  const before = /(?:[\w$]+\??\.)*$/.exec(text?.slice(0, at));
  if (name !== null) error.message = `${before[0]}${name[0]} is not a function`;
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}
