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

/** An error with where it came from, in one line: the log has no other. */
export function describe(error) {
  if (!(error instanceof Error)) return messageOf(error);
  const head = `${error.name}: ${error.message}`;
  const stack = typeof error.stack === "string" ? error.stack : "";
  // V8 begins a stack with the message, QuickJS does not.
  const frames = (stack.startsWith(head) ? stack.slice(head.length) : stack).split("\n").map((frame) => frame.trim());
  return [head, ...frames.filter((frame) => frame !== "" && !frame.includes("vestibule:prelude"))].join(" | ");
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}
