// The package against the contract in `crates/abi`: what it reads, what it writes, what it imports.
import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { generate, names } from "../scripts/symbols.js";
import { encode } from "./document.js";
import { compile, HASHES, run } from "./host.js";

const ABI = (path) => readFileSync(new URL(`../../../crates/abi/src/${path}`, import.meta.url), "utf8");
const SDK = (path) => readFileSync(new URL(`../assembly/${path}`, import.meta.url), "utf8");

const wasm = {};
before(async () => {
  for (const rule of ["reader", "answerer", "http", "files", "hash", "small"]) wasm[rule] = await compile(rule);
});

const ADA = {
  user_id: "auth0|1",
  email: "ada@example.com",
  email_verified: true,
  name: "Ünï😀",
  nickname: null,
  logins_count: 3,
  height: 1.75,
  naïve: "日本",
  bytes: "é",
  groups: ["a", "b", 3],
  identities: [{ provider: "auth0" }, { provider: "github", profileData: { "x.y": { id: 7 } } }],
  app_metadata: { plan: "gold", "own key": [1, { b: null }], 0: -1.5 },
};
const ask = (rule, configuration, user = ADA) =>
  run(wasm[rule], { user, context: { now: 1_700_000_000_123 }, configuration: { ask: configuration } });
const said = (configuration, user) => {
  const ran = ask("reader", configuration, user);
  assert.equal(ran.trap, undefined);
  assert.equal(ran.failure, undefined);
  return ran.answer.continue.shared.said;
};

describe("the contract", () => {
  test("the encoder of these tests writes the golden vector", () => {
    const source = /fn golden_vector\(\).*?let expected = vec!\[(.*?)\];/s.exec(ABI("document/tests.rs"))[1];
    const golden = source.replace(/\/\/.*$/gm, "").split(",").map((byte) => byte.trim()).filter(Boolean)
      .map((byte) => (byte.startsWith("b'") ? byte.charCodeAt(2) : Number(byte)));
    assert.deepEqual([...encode({ user: { email: "a@b", n: 1.5 }, x: [true] })], golden);
    const event = Buffer.from(golden);
    const ran = run(wasm.small, event);
    assert.deepEqual(ran.answer, { deny: { code: "email_not_verified", reason: "confirm your e-mail first" } });
  });

  test("the symbols are those of the ABI", () => {
    assert.equal(SDK("symbols.ts"), generate(), "run `npm run generate`");
  });

  test("the tags are those of the ABI", () => {
    const tags = (source, pattern) => Object.fromEntries([...source.matchAll(pattern)].map(([, name, id]) => [name, Number(id)]));
    const abi = tags(ABI("document.rs"), /pub const ([A-Z]+): u8 = (\d+);/g);
    delete abi.FLAG_ASCII;
    const sdk = tags(SDK("node.ts"), /export const ([A-Z]+): u8 = (\d+);/g);
    delete sdk.MISSING;
    assert.equal(Object.keys(abi).length, 9);
    assert.deepEqual(sdk, abi);
  });

  test("the imports are those of the ABI", () => {
    const source = ABI("host.rs");
    const namespaces = Object.fromEntries([...source.matchAll(/pub const (CORE|HTTP|FILE|HASH): &str = "(\w+)";/g)].map(([, key, name]) => [key, name]));
    const table = /pub const FUNCTIONS.*?= &\[(.*?)\n\];/s.exec(source)[1];
    const abi = [...table.matchAll(/function\(\s*(\w+),\s*"(\w+)",\s*&\[(.*?)\],\s*(true|false),?\s*\)/g)]
      .map(([, namespace, name, params, returns]) => `${namespaces[namespace]}.${name}/${params.split(",").length} ${returns === "true"}`);
    const sdk = [...SDK("host.ts").matchAll(/@external\("(\w+)", "(\w+)"\)\nexport declare function \w+\((.*?)\): (\w+);/g)]
      .map(([, namespace, name, params, returns]) => `${namespace}.${name}/${params.split(",").length} ${returns !== "void"}`);
    assert.equal(abi.length, table.match(/function\(/g).length);
    assert.deepEqual(sdk, abi);
  });

  test("the bags of an answer are those of the ABI", () => {
    const members = Object.fromEntries([...ABI("answer.rs").matchAll(/pub const (\w+): &str = "(\w+)";/g)].map(([, key, word]) => [key, word]));
    const wanted = /CONTINUE_MEMBERS: &\[&str\] =\s*&\[(.*?)\]/s.exec(ABI("answer.rs"))[1].split(",").map((name) => members[name.trim()]);
    const { answer } = ask("answerer", "all", { text: "t" });
    assert.deepEqual(Object.keys(answer), [members.CONTINUE]);
    assert.deepEqual(Object.keys(answer[members.CONTINUE]).sort(), wanted.sort());
  });

  test("a rule imports what it uses and exports `memory` and `run`", () => {
    const namespaces = (module) => [...new Set(WebAssembly.Module.imports(module).map(({ module: name }) => name))].sort();
    for (const [rule, wanted] of Object.entries({
      small: ["vestibule_v1"],
      reader: ["vestibule_v1"],
      answerer: ["vestibule_v1"],
      http: ["vestibule_http_v1", "vestibule_v1"],
      files: ["vestibule_file_v1", "vestibule_v1"],
      hash: ["vestibule_hash_v1", "vestibule_v1"],
    })) {
      const module = new WebAssembly.Module(wasm[rule]);
      assert.deepEqual(namespaces(module), wanted, rule);
      assert.deepEqual(WebAssembly.Module.exports(module), [{ name: "run", kind: "function" }, { name: "memory", kind: "memory" }], rule);
    }
  });

  test("no lock file says where packages came from", () => {
    for (const lock of ["../package-lock.json", "../../../rules-examples/package-lock.json"]) {
      assert.doesNotMatch(readFileSync(new URL(lock, import.meta.url), "utf8"), /"resolved": "[a-z+]+:/, `${lock}: keep .npmrc`);
    }
  });

  test("a small rule stays small", () => {
    assert.ok(wasm.small.length < 11_500, `${wasm.small.length} bytes`);
    assert.equal(ask("small", "").pages, 1);
  });
});

describe("reading", () => {
  test("values come back as they are", () => {
    assert.deepEqual(said("values"), ["ada@example.com", true, 3, 1.75, 3, "日本", "b", 3, 3, 1_700_000_000_123]);
  });

  test("what is not there never traps", () => {
    assert.deepEqual(said("lenient"), ["-", true, 7, 0.5, false, false, true, 0, -1, "Ünï😀", true]);
  });

  test("strings compare without being decoded", () => {
    assert.deepEqual(said("equals"), [true, false, false, false, true, true, false, false, false, true]);
  });

  test("objects and arrays are walked in order", () => {
    assert.deepEqual(said("walk"), Object.entries(ADA.app_metadata).flat().concat("a", "b", ""));
  });

  test("keys and tags of a later version are passed over", () => {
    const event = encode({ user: { email: 1, name: 2 }, context: {}, configuration: { ask: "copy" } });
    const at = 16 + 8 + 8 + 8;
    event.writeUInt16LE(60_000, at + 2);
    assert.deepEqual(run(wasm.reader, event).answer.continue.shared.said, [{ name: 2 }]);
  });

  test("every well-known key is found and named", () => {
    const user = Object.fromEntries(names().map((name, id) => [name, id]));
    assert.deepEqual(said("copy", user), [user]);
    for (const name of names()) assert.deepEqual(said(`integer user/${name}`, user), [user[name]], name);
    assert.deepEqual(said("path user/emai", user), ["user.emai"]);
  });

  test("an event of random shape is copied unchanged", () => {
    const random = generator(1);
    for (let round = 0; round < 300; round++) {
      const user = { value: anything(random, 5) };
      assert.deepEqual(said("copy", user), [user]);
    }
  });

  for (const [question, message] of [
    ["string user/app_metadata/nothing", "user.app_metadata.nothing: expected a string, found nothing"],
    ["string user/nowhere/plan", "user.nowhere.plan: expected a string, found nothing"],
    ["string user/nickname", "user.nickname: expected a string, found null"],
    ["string user/logins_count", "user.logins_count: expected a string, found an integer"],
    ["string user/identities/1/profileData/x.y/id", 'user.identities[1].profileData."x.y".id: expected a string, found an integer'],
    ["string user/identities/2/provider", "user.identities[2].provider: expected a string, found nothing"],
    ["bool user/email", "user.email: expected a boolean, found a string"],
    ["integer user/height", "user.height: expected an integer, found a number"],
    ["integer user/naïve", 'user."naïve": expected an integer, found a string'],
    ["number user/email_verified", "user.email_verified: expected a number, found a boolean"],
    ["array user/app_metadata", "user.app_metadata: expected an array, found an object"],
    ["object user/groups", "user.groups: expected an object, found an array"],
  ]) {
    test(`\`${question}\` says what is wrong and where`, () => assert.equal(ask("reader", question).failure, message));
  }
});

describe("JSON", () => {
  test("what is parsed reads like the event", () => {
    const random = generator(2);
    for (let round = 0; round < 300; round++) {
      const value = anything(random, 5);
      const text = JSON.stringify(value, null, round % 3);
      assert.deepEqual(said("parse", { text }), [value], text);
    }
    for (const [text, value] of [
      [' [1.0, -0, 1e2, 9007199254740993, 0.1e-1, -12.5]\n', [1, 0, 100, 9007199254740992, 0.01, -12.5]],
      ['"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\"\\\\"', 'é😀/\b\f\n\r\t"\\'],
      ["[]", []], ["{}", {}], ["true", true], ['{"email":1}', { email: 1 }],
    ]) assert.deepEqual(said("parse", { text }), [value], text);
  });

  test("what is malformed is missing", () => {
    const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
    for (const text of [
      "", " ", "{", "[1,]", "[1 2]", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "01", "+1", "1.", ".5", "1e", "-", "tru", "nul", "truex", "1 1",
      '"', '"\\', '"\\x"', '"\\u12"', '"\\ud800"', '"\\ude00"', '"\\ud800\\u0041"', '"a\nb"', "NaN", "1e999", "'a'", nested(33), '{"a":1', "[1",
    ]) assert.deepEqual(said("parse", { text }), [], text);
    assert.deepEqual(said("parse", { text: nested(31) }), [JSON.parse(nested(31))]);
  });
});

describe("answers", () => {
  const answer = (configuration, text = "") => ask("answerer", configuration, { text }).answer;
  const failure = (configuration, text = "") => ask("answerer", configuration, { text }).failure;

  test("nothing to change, and a refusal", () => {
    assert.deepEqual(answer("nothing"), { continue: {} });
    assert.deepEqual(answer("deny", 'closed "now"'), { deny: { code: "outside_hours", reason: 'closed "now"' } });
    assert.deepEqual(answer("deny without a reason"), { deny: { code: "outside_hours" } });
  });

  test("every kind of change and value", () => {
    assert.deepEqual(answer("all", "t"), {
      continue: {
        user_metadata: {
          string: "gold", true: true, false: false, integer: -3, long: 9007199254740991, number: 0.25, small: 1e-7, big: 1e21, integral: 2,
          null: null, strings: ["a", "b"], floats: [0.5, 1.5], nested: { a: [1, "x", {}], "a b": [[1], [2, 3]] },
        },
        app_metadata: { first: "again", second: 2, gone: null },
        user: { nickname: "ada", name: null },
        context: { flag: true, other: null },
        shared: { seen: "t", old: null },
        id_token: { "https://example.com/plan": "gold", a: null },
        access_token: { "https://example.com/roles": ["admin"], b: null },
        scope: ["openid", "email"],
        second_factor: { allow_remember_browser: true },
        redirect: { url: 'https://forms.example.com/?a="b"' },
      },
    });
  });

  test("a key that is set again is there once, in its first place", () => {
    assert.match(ask("answerer", "all", { text: "t" }).raw, /"app_metadata":\{"first":"again","second":2,"gone":null\}/);
  });

  test("any text survives, as key and as value", () => {
    const random = generator(3);
    for (let round = 0; round < 2_000; round++) {
      const text = anyText(random);
      const { user_metadata } = answer("text", text).continue;
      if (text === "text") continue;
      assert.deepEqual(user_metadata, { text, [text]: 1 }, JSON.stringify(text));
    }
  });

  test("many changes survive the growth of the buffers", () => {
    const text = "\u0001😀é\"".repeat(200);
    const { user_metadata } = answer("many", text).continue;
    assert.equal(Object.keys(user_metadata).length, 64);
    assert.ok(Object.values(user_metadata).every((value) => value === text));
  });

  for (const [configuration, message] of [
    ["half", "app_metadata.plan: the text holds a lone surrogate or NUL"],
    ["half in an array", "scope: the text holds a lone surrogate or NUL"],
    ["nul", "app_metadata.plan: the text holds a lone surrogate or NUL"],
    ["half key", "app_metadata.\ufffd\ufffd\ufffd: the text holds a lone surrogate or NUL"],
    ["nan", "app_metadata.rate: a number that is not finite"],
    ["large", "app_metadata.count: an integer beyond ±(2^53 − 1)"],
    ["large unsigned", "app_metadata.count: an integer beyond ±(2^53 − 1)"],
    ["missing", "app_metadata.copy: there is no value at user.nowhere"],
    ["fail", "the directory is empty"],
  ]) {
    test(`\`${configuration}\` names the key`, () => {
      const ran = ask("answerer", configuration, { text: "😀" });
      assert.equal(ran.failure, message);
      assert.equal(ran.answer, undefined);
    });
  }

  test("`throw` tells file, line and message", () => {
    assert.match(failure("throw"), /^test\/rules\/answerer\.ts:\d+:\d+ no such plan$/);
  });

  test("an index out of range tells file and line", () => {
    assert.match(failure("index", "long"), /^~lib\/array\.ts:\d+:\d+ Index out of range$/);
  });
});

describe("HTTP", () => {
  const EVENT = { user: { email: "ada@example.com" } };
  const slow = { status: 200, headers: [["content-type", "application/json"]], body: '{"plan":"gold","owner":"é"}' };
  const fast = { status: 201, body: "dönë" };
  const ask = (slow, order) =>
    run(wasm.http, EVENT, { http: { "GET https://api.example.com/slow": slow, "POST https://api.example.com/fast": fast }, order });

  test("requests run side by side, and the first that is finished is told", () => {
    const ran = ask(slow, (handles) => handles.at(-1));
    assert.deepEqual(ran.answer.continue.shared, {
      first: "fast", fast: "dönë", status: 200, ok: true, plan: "gold", type: "application/json", none: null, length: 28, owner: "é",
    });
    assert.deepEqual(ran.requests, [
      { method: "GET", url: "https://api.example.com/slow", headers: [["authorization", "Bearer {{secret:CRM_TOKEN}}"]], timeout_ms: 750, redirects: 2, body: "" },
      {
        method: "POST", url: "https://api.example.com/fast", headers: [["content-type", "application/json"]],
        body: '{"email":"ada@example.com","n":1}',
      },
    ]);
    assert.equal(ask(slow, (handles) => handles[0]).answer.continue.shared.first, "slow");
  });

  test("trouble is a value", () => {
    assert.equal(ask({ error: "http_timeout" }).answer.continue.shared.error, "http_timeout");
  });

  test("a field that is missing in a body is named", () => {
    const ran = ask({ status: 200, body: '{"plan":"gold","owner":3}' });
    assert.equal(ran.failure, "response.owner: expected a string, found an integer");
    assert.equal(ask({ status: 200, body: "<html>" }).failure, "shared.plan: there is no value at response.plan");
  });
});

describe("hashing", () => {
  test("the host is asked for each hash by its number", () => {
    const { answer } = run(wasm.hash, { user: {}, context: {}, configuration: { text: "données" } });
    const said = answer.continue.shared;
    for (const [number, name] of HASHES.entries()) {
      assert.equal(said[`digest${number}`], createHash(name).update("données").digest("hex"), name);
      assert.equal(said[`hmac${number}`], createHmac(name, "key").update("données").digest("hex"), name);
    }
    assert.equal(said.pbkdf2, pbkdf2Sync("données", "key", 3, 40, "sha256").toString("hex"));
    assert.equal(said.bcrypt, Buffer.from("4/89abcdef/données".padEnd(23)).subarray(0, 23).toString("hex"));
  });

  test("the numbers are those of the ABI", () => {
    const numbers = [...ABI("host.rs").matchAll(/(\d) => Some\(Self::(Md5|Sha\d+|Ripemd160)\)/g)].map(([, number, name]) => [Number(number), name.toLowerCase()]);
    assert.deepEqual(numbers, [...HASHES.entries()]);
  });
});

describe("files and log", () => {
  test("a file is read in whole and in part", () => {
    const text = '{"gold": "é"}';
    const ran = run(wasm.files, {}, { files: { "plans.json": text } });
    assert.deepEqual(ran.answer.continue.shared, { absent: true, size: 14, text, part: "gold", gold: "é", end: 1 });
    assert.deepEqual(ran.logs, [[0, "d"], [1, "ï"], [2, "w"], [3, "e"]]);
  });

  test("an absent file is null", () => {
    assert.deepEqual(run(wasm.files, {}).answer.continue.shared, { absent: true });
  });
});

/** Numbers from 0 to 1, the same in every run. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

function anyText(random) {
  const pick = (low, high) => low + Math.floor(random() * (high - low));
  const point = () => {
    switch (pick(0, 6)) {
      case 0: return pick(1, 0x20);
      case 1: return '"\\/\u007f'.charCodeAt(pick(0, 4));
      case 2: return pick(0x80, 0x800);
      case 3: return pick(0xe000, 0x10000);
      case 4: return pick(0x10000, 0x110000);
      default: return pick(0x20, 0x7f);
    }
  };
  return Array.from({ length: pick(0, 40) }, () => String.fromCodePoint(point())).join("");
}

function anything(random, depth) {
  const kind = Math.floor(random() * (depth > 0 ? 8 : 6));
  const few = () => Array.from({ length: Math.floor(random() * 5) });
  switch (kind) {
    case 0: return null;
    case 1: return random() < 0.5;
    case 2: return Math.floor((random() - 0.5) * 2 ** (random() * 54));
    case 3: return (random() - 0.5) * 10 ** Math.floor(random() * 12) || 0;
    case 4: return anyText(random);
    case 5: return names()[Math.floor(random() * names().length)];
    case 6: return few().map(() => anything(random, depth - 1));
    default: return Object.fromEntries(few().map(() => [anyText(random), anything(random, depth - 1)]));
  }
}
