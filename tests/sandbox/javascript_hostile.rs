//! The hostile catalogue in JavaScript: what each rule comes to, by its exact code or answer, twice under both profiles.

use serde_json::{Value, json};
use vestibule_abi::codes::FailureCode;
use vestibule_testkit::oracle::alone;

use super::javascript::{claims, outcome, rule};

/// Each with what it is, its source and what it must come to.
#[track_caller]
fn check(cases: &[(&str, String, String)]) {
    let _alone = alone();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, source, expected)| {
            let came = outcome(source);
            (came != *expected).then(|| format!("{name}: {came} instead of {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn code(code: FailureCode) -> String {
    code.to_string()
}

fn denied(reason: &str) -> String {
    json!({ "deny": { "code": "access_denied", "reason": reason } }).to_string()
}

/// What became of a rule that answered with this claim as if nothing had happened.
fn unharmed(claim: &Value) -> String {
    claims(claim)
}

#[test]
fn what_never_ends_runs_out_of_fuel() {
    let out = || code(FailureCode::FuelExhausted);
    check(&[
        ("an endless loop", rule("for (;;) {}"), out()),
        ("endless jobs", rule("(function again() { Promise.resolve().then(again); })();"), out()),
        ("a regular expression that backtracks", rule("claim(/^(a+)+$/.test('a'.repeat(64) + 'b'));"), out()),
        ("an interval that nobody clears", rule("setInterval(() => {}, 0);"), out()),
        ("a sort that never agrees", rule("for (;;) [3, 1, 2].sort(() => Math.random() - 0.5);"), out()),
        ("an array of four billion", rule("claim(new Array(4294967295).fill(0).length);"), out()),
        (
            "an endless getter",
            rule("Object.defineProperty(user, 'x', { enumerable: true, get() { for (;;) {} } }); claim(1);"),
            out(),
        ),
        ("an endless proxy in the answer", rule("claim(new Proxy({ a: 1 }, { get() { for (;;) {} } }));"), out()),
        ("an error whose message never comes", rule("callback({ get message() { for (;;) {} } });"), out()),
        ("a claim that is too deep to be made", rule("let d = []; for (;;) d = [d];"), out()),
    ]);
}

#[test]
fn what_never_answers_has_no_callback() {
    let none = || code(FailureCode::NoCallback);
    let never =
        "async function rule(user, context, callback) { await new Promise(() => {}); callback(null, user, context); }";
    check(&[
        ("nothing at all", rule(""), none()),
        ("a promise that never settles", never.to_owned(), none()),
        ("a race of promises that never settle", rule("Promise.race([]).then(() => claim(1));"), none()),
        // Time does not pass, and Auth0 would have waited for twenty seconds.
        ("a timer after the login's patience", rule("setTimeout(() => claim(1), 60_000);"), none()),
    ]);
}

#[test]
fn recursion_ends_as_an_error_that_the_rule_could_catch() {
    let too_deep = || denied("Maximum call stack size exceeded");
    check(&[
        ("recursion", rule("(function deeper(n) { return deeper(n + 1) + 1; })(0);"), too_deep()),
        ("recursion through a sort", rule("(function deeper() { [2, 1].sort(deeper); })();"), too_deep()),
        ("recursion through a proxy", rule("const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x;"), too_deep()),
        (
            "recursion through JSON",
            rule("const o = { toJSON: () => JSON.stringify(o) }; JSON.stringify(o);"),
            too_deep(),
        ),
        (
            "recursion that is caught",
            rule(
                "let deepest = 0; (function deeper(n) { deepest = n; try { deeper(n + 1); } catch {} })(0); claim(deepest > 50);",
            ),
            unharmed(&json!(true)),
        ),
    ]);
}

#[test]
fn memory_ends_at_its_limit() {
    let over = || code(FailureCode::MemoryLimit);
    check(&[
        ("a string that doubles", rule("let s = 'x'; for (;;) s = s + s.slice();"), over()),
        ("a string of half a gigabyte", rule("claim('x'.repeat(1 << 29).length);"), over()),
        ("typed arrays without end", rule("const all = []; for (;;) all.push(new Uint8Array(1 << 20));"), over()),
        (
            "typed arrays that are filled",
            rule("const all = []; for (;;) all.push(new Float64Array(1 << 17).fill(1));"),
            over(),
        ),
        ("a buffer of a gigabyte", rule("claim(new ArrayBuffer(1 << 30).byteLength);"), over()),
        (
            "buffers that grow",
            rule("const b = new ArrayBuffer(1, { maxByteLength: 1 << 30 }); b.resize(1 << 29); claim(1);"),
            over(),
        ),
    ]);
}

#[test]
fn an_answer_is_bounded_and_plain() {
    let too_large = || code(FailureCode::OutputTooLarge);
    let guest_error = || code(FailureCode::GuestError);
    check(&[
        ("an answer of 100 kB", rule("claim('x'.repeat(100_000));"), too_large()),
        ("an answer of 300 kB", rule("claim('x'.repeat(300_000));"), too_large()),
        (
            "a getter that throws",
            rule(
                "Object.defineProperty(context.idToken, 'x', { enumerable: true, get() { throw new Error('no'); } }); callback(null, user, context);",
            ),
            guest_error(),
        ),
        (
            "a proxy that throws",
            rule(
                "context.idToken = new Proxy({}, { ownKeys() { throw new Error('no'); } }); callback(null, user, context);",
            ),
            guest_error(),
        ),
        ("a claim in a circle", rule("const round = {}; round.round = round; claim(round);"), guest_error()),
        ("a user in a circle", rule("user.self = user; claim(1);"), guest_error()),
        ("a number that JSON has not", rule("claim(10n);"), guest_error()),
        ("a getter", rule("claim({ get a() { return 5; } });"), unharmed(&json!({ "a": 5 }))),
        ("a proxy", rule("claim(new Proxy({ a: 1 }, {}));"), unharmed(&json!({ "a": 1 }))),
        (
            "values that JSON has no word for",
            rule("claim([NaN, -0, 1 / 0, undefined, () => 1, 1.5, new Date(0), '\\u2028é\\u{1f600}\"\\\\\\n']);"),
            unharmed(&json!([null, 0, null, null, null, 1.5, "1970-01-01T00:00:00.000Z", "\u{2028}é\u{1f600}\"\\\n"])),
        ),
        (
            "a getter that changes what is being compared",
            rule(
                "Object.defineProperty(user, 'a', { enumerable: true, get() { delete user.name; delete user.email; return 1; } }); user.z = 2; claim(1);",
            ),
            json!({ "continue": { "user": { "a": 1, "z": 2 }, "id_token": { "https://x/v": 1 } } }).to_string(),
        ),
        ("a reason of 100 kB", rule("callback(new Error('x'.repeat(100_000)));"), denied(&"x".repeat(1_000))),
        (
            "an error that lies about itself",
            rule("callback(new Proxy(new Error('x'), { get() { throw 1; } }));"),
            denied("1"),
        ),
    ]);
}

/// The prototypes stay polluted while `callback` runs and the answer is made.
#[test]
fn polluted_prototypes_neither_break_nor_forge_an_answer() {
    let names = "['end', 'refused', 'user', 'context', 'continue', 'deny', 'fail', 'noCallback', 'id_token', 'access_token', \
                 'app_metadata', 'scope', 'redirect', 'second_factor', 'code', 'reason', 'writes', 'shared', 'covered']";
    let one = || unharmed(&json!(1));
    check(&[
        (
            "pollution does not last",
            rule("claim(typeof ({}).admin + typeof [].admin);"),
            unharmed(&json!("undefinedundefined")),
        ),
        ("a key for everybody", rule("Object.prototype.admin = true; claim(1);"), one()),
        (
            "a forged end",
            rule(
                "Object.prototype.deny = { code: 'forged', reason: 'x' }; Object.prototype.fail = 'forged'; Object.prototype.noCallback = true; claim(1);",
            ),
            one(),
        ),
        (
            "getters and setters under every name of ours",
            rule(&format!(
                "for (const key of {names}) Object.defineProperty(Object.prototype, key, {{ get() {{ return 'forged'; }}, set() {{ throw new Error(key); }}, configurable: true }}); claim(1);"
            )),
            one(),
        ),
        ("through __proto__ of the user", rule("user.__proto__.admin = true; claim(1);"), one()),
        ("through the constructor", rule("user.constructor.prototype.admin = true; claim(1);"), one()),
        ("another prototype for the user", rule("Object.setPrototypeOf(user, { blocked: true }); claim(1);"), one()),
        (
            "a claim called __proto__",
            rule("claim(JSON.parse('{\"__proto__\": 1}'));"),
            "{\"continue\":{\"id_token\":{\"https://x/v\":{\"__proto__\":1}}}}".into(),
        ),
        (
            "a toJSON for everybody",
            rule("Object.prototype.toJSON = () => ({ deny: { code: 'forged', reason: 'x' } }); claim('mine');"),
            unharmed(&json!("mine")),
        ),
        (
            "arrays that lie",
            rule(
                "Array.prototype.push = Array.prototype.map = Array.prototype.filter = () => ['forged']; \
                  Object.defineProperty(Array.prototype, '0', { get() { return 'forged'; }, set() { throw new Error('0'); } }); claim(['mine']);",
            ),
            unharmed(&json!(["mine"])),
        ),
        (
            "functions of the language replaced",
            rule(
                "Object.keys = () => ['forged']; JSON.stringify = () => 'forged'; Object.hasOwn = () => true; \
                  String.prototype.startsWith = () => true; Promise.prototype.then = () => {}; \
                  Map.prototype.get = Set.prototype.has = Array.prototype[Symbol.iterator] = () => { throw new Error('forged'); }; claim(1);",
            ),
            one(),
        ),
        (
            "callback after pollution with an error",
            rule("Object.prototype.name = 'UnauthorizedError'; callback(new Error('no'));"),
            denied("no"),
        ),
    ]);
}

#[test]
fn nothing_of_the_engine_is_within_reach() {
    check(&[
        (
            "our objects",
            rule(
                "claim([typeof __host, typeof __vestibule, typeof __vestibuleModule, Object.getOwnPropertyNames(globalThis).filter((name) => name.startsWith('__')).length]);",
            ),
            unharmed(&json!(["undefined", "undefined", "undefined", 0])),
        ),
        (
            "the constructor of everything",
            rule(
                "claim((() => {}).constructor('return typeof WebAssembly + typeof std + typeof os + typeof performance')());",
            ),
            unharmed(&json!("undefinedundefinedundefinedundefined")),
        ),
        (
            "whoever called",
            rule("claim([typeof arguments.callee.caller, typeof callback.caller]);"),
            unharmed(&json!(["undefined", "undefined"])),
        ),
    ]);
}

#[test]
fn no_state_is_left_for_the_next_login() {
    let closure = "((count) => function rule(user, context, callback) { context.idToken['https://x/v'] = ++count; callback(null, user, context); })(0)";
    check(&[
        (
            "a global that counts",
            rule("globalThis.count = (globalThis.count || 0) + 1; claim(globalThis.count);"),
            unharmed(&json!(1)),
        ),
        ("a closure that counts", closure.to_owned(), unharmed(&json!(1))),
        (
            "a function that counts on itself",
            rule("rule.count = (rule.count || 0) + 1; claim(rule.count);"),
            unharmed(&json!(1)),
        ),
        (
            "a prototype that counts",
            rule("Array.prototype.count = ([].count || 0) + 1; claim([].count);"),
            unharmed(&json!(1)),
        ),
        (
            "a regular expression that remembers",
            rule("const r = /a/g; claim([r.test('a'), RegExp.$1 === undefined]);"),
            unharmed(&json!([true, true])),
        ),
    ]);
}

#[test]
fn a_thousand_timers_fire_in_order() {
    check(&[
        (
            "a thousand timers",
            rule(
                "const seen = []; for (let i = 0; i < 1000; i++) setTimeout(() => { seen.push(i % 7); if (seen.length === 1000) claim(seen.every((n, at) => at === 0 || seen[at - 1] <= n)); }, 1 + i % 7);",
            ),
            unharmed(&json!(true)),
        ),
        (
            "timers that are cleared",
            rule(
                "const all = []; for (let i = 0; i < 500; i++) all.push(setTimeout(() => claim('late'), 1)); all.forEach(clearTimeout); setTimeout(() => claim('cleared'), 2);",
            ),
            unharmed(&json!("cleared")),
        ),
        ("the first callback wins", rule("claim(1); callback(new Error('late'));"), unharmed(&json!(1))),
    ]);
}

/// An object of the event is made when it is looked at: no way of looking tells that from an object that was there.
#[test]
fn the_event_is_made_of_ordinary_objects() {
    let same = |body: &str| (rule(body), "{\"continue\":{}}".to_owned());
    let cases = [
        same("callback(null, { ...user }, { ...context });"),
        same("callback(null, Object.assign({}, user), Object.fromEntries(Object.entries(context)));"),
        same("callback(null, JSON.parse(JSON.stringify(user)), JSON.parse(JSON.stringify(context)));"),
        same("Object.freeze(user); Object.seal(context); callback(null, user, context);"),
        same(
            "const keep = user.identities; delete user.identities; user.identities = keep; callback(null, user, context);",
        ),
        same("user.identities = JSON.parse(JSON.stringify(user.identities)); callback(null, user, context);"),
        same("user.identities.push(1); user.identities.pop(); callback(null, user, context);"),
        same("Object.defineProperties(user, Object.getOwnPropertyDescriptors(user)); callback(null, user, context);"),
    ];
    let cases: Vec<_> = cases.into_iter().map(|(source, expected)| ("unchanged", source, expected)).collect();
    check(&cases);
    check(&[
        (
            "descriptors",
            rule(
                "const d = Object.getOwnPropertyDescriptor(user, 'identities'); claim([d.writable, d.enumerable, d.configurable, d.value === user.identities, 'get' in d]);",
            ),
            unharmed(&json!([true, true, true, true, false])),
        ),
        (
            "ways to list",
            rule(
                "const listed = []; for (const key in user) listed.push(key); claim([listed, Reflect.ownKeys(user), Object.keys(JSON.parse(JSON.stringify(user)))].every((keys) => keys.join() === Object.keys(user).join()));",
            ),
            unharmed(&json!(true)),
        ),
        (
            "one object, however it is reached",
            rule(
                "const copy = { ...user }; claim([copy.identities === user.identities, Object.values(user).includes(copy.identities), Array.isArray(user.identities), user.identities.constructor === Array]);",
            ),
            unharmed(&json!([true, true, true, true])),
        ),
    ]);
}
