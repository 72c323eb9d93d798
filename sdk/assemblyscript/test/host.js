// A host for tests: compiles a rule with the real compiler and the flags of `asconfig.json`, and runs it once for each call.
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { encode } from "./document.js";

const HERE = fileURLToPath(new URL("..", import.meta.url));
/** The hashes, by their numbers. */
export const HASHES = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160"];
const ENDED = Symbol("the rule called fail");

/** Compiles `test/rules/NAME.ts`. */
export async function compile(name) {
  // Rules import the package by its name, as they do when it is installed.
  mkdirSync(`${HERE}node_modules/@vestibule`, { recursive: true });
  if (!existsSync(`${HERE}node_modules/@vestibule/rule`)) symlinkSync("../..", `${HERE}node_modules/@vestibule/rule`);
  const out = `build/${name}.wasm`;
  const { error, stderr } = await asc.main([`test/rules/${name}.ts`, "--baseDir", HERE, "--outFile", out]);
  if (error) throw new Error(`${error.message}\n${stderr}`);
  return readFileSync(`${HERE}${out}`);
}

/**
 * Runs a module once, in an instance of its own. `http` maps `METHOD URL` to `{status, headers, body}` or `{error}`,
 * `files` maps paths to their content.
 *
 * Gives what the host would have seen: `{answer, failure, trap, logs, requests, pages}`.
 */
export function run(wasm, event, { http = {}, files = {}, order = (handles) => handles[0] } = {}) {
  const document = Buffer.isBuffer(event) ? event : encode(event);
  const seen = { logs: [], requests: [] };
  const results = [];
  const opened = [];
  let memory;
  const bytes = (ptr, len) => Buffer.from(memory.buffer, ptr >>> 0, len >>> 0);
  const text = (ptr, len) => bytes(ptr, len).toString("utf8");
  const head = (handle) => {
    const result = results[handle];
    const known = result.error
      ? { error: result.error }
      : { status: result.status, headers: result.headers ?? [], body_len: Buffer.byteLength(result.body ?? "") };
    return Buffer.from(JSON.stringify(known));
  };
  const copy = (from, offset, ptr, len) => {
    const part = Buffer.from(from).subarray(offset, offset + len);
    bytes(ptr, part.length).set(part);
    return part.length;
  };
  const imports = {
    vestibule_v1: {
      event_len: (form) => (form === 1 ? document.length : -1),
      event_read: (form, ptr) => void bytes(ptr, document.length).set(document),
      answer: (ptr, len) => {
        if (seen.answer !== undefined) throw new Error("answered twice");
        seen.raw = text(ptr, len);
        seen.answer = JSON.parse(seen.raw);
      },
      fail: (ptr, len) => {
        seen.failure = text(ptr, len);
        throw ENDED;
      },
      log: (level, ptr, len) => void seen.logs.push([level, text(ptr, len)]),
    },
    vestibule_http_v1: {
      start: (headPtr, headLen, bodyPtr, bodyLen) => {
        const request = JSON.parse(text(headPtr, headLen));
        seen.requests.push({ ...request, body: text(bodyPtr, bodyLen) });
        return results.push(http[`${request.method} ${request.url}`] ?? { error: "http_failed" }) - 1;
      },
      wait: (ptr, n) => order([...new Int32Array(memory.buffer, ptr, n)]),
      result_len: (handle) => head(handle).length,
      result_read: (handle, ptr) => void copy(head(handle), 0, ptr, head(handle).length),
      body_read: (handle, offset, ptr, len) => copy(results[handle].body ?? "", offset, ptr, len),
    },
    vestibule_file_v1: {
      open: (ptr, len) => (files[text(ptr, len)] === undefined ? -1 : opened.push(files[text(ptr, len)]) - 1),
      size: (handle) => Buffer.byteLength(opened[handle]),
      read: (handle, offset, ptr, len) => copy(opened[handle], offset, ptr, len),
    },
    vestibule_hash_v1: {
      digest: (hash, ptr, len, to) => copy(createHash(HASHES[hash]).update(bytes(ptr, len)).digest(), 0, to, 64),
      hmac: (hash, key, keyLen, ptr, len, to) => copy(createHmac(HASHES[hash], bytes(key, keyLen)).update(bytes(ptr, len)).digest(), 0, to, 64),
      pbkdf2: (hash, ptr, len, salt, saltLen, rounds, to, toLen) => void copy(pbkdf2Sync(bytes(ptr, len), bytes(salt, saltLen), rounds, toLen, HASHES[hash]), 0, to, toLen),
      bcrypt: (ptr, len, salt, cost, to) => void copy(`${cost}/${text(salt, 16).slice(8)}/${text(ptr, len)}`.padEnd(23), 0, to, 23), // What it was asked.
    },
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports);
  memory = instance.exports.memory;
  try {
    instance.exports.run();
  } catch (error) {
    if (error !== ENDED) seen.trap = error;
  }
  seen.pages = memory.buffer.byteLength / 65536;
  return seen;
}
