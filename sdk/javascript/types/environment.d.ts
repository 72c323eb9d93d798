// What is there beside the language itself. There is no DOM and no Node.

interface Console {
  log(...values: any[]): void;
  debug(...values: any[]): void;
  info(...values: any[]): void;
  warn(...values: any[]): void;
  error(...values: any[]): void;
  trace(...values: any[]): void;
}
/** Lines go to the rule's log. */
declare const console: Console;

/** Any version asked for is the one that is there; what cannot be there is refused at build. */
declare function require(name: string): any;

/** Time does not pass in a rule: timers fire in the order of their delays once nothing else is left to do. */
declare function setTimeout(callback: (...values: any[]) => void, milliseconds?: number, ...values: any[]): any;
declare function setInterval(callback: (...values: any[]) => void, milliseconds?: number, ...values: any[]): any;
declare function setImmediate(callback: (...values: any[]) => void, ...values: any[]): any;
declare function clearTimeout(timer: any): void;
declare function clearInterval(timer: any): void;
declare function clearImmediate(timer: any): void;

// Names of old that need no `require`.
declare const _: any;
declare const jwt: any;
declare const uuid: any;
declare const request: any;
declare const Buffer: any;
declare const crypto: any;
declare const URL: any;
declare const URLSearchParams: any;
declare function fetch(url: string, options?: { method?: string; headers?: { [name: string]: string }; body?: any; timeout?: number }): Promise<any>;
