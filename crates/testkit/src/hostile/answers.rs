//! 5.5: what a rule answers, byte by byte.

use serde_json::json;
use vestibule_abi::codes::FailureCode::{
    ClaimReserved, MutationForbidden, OutputBadJson, OutputNotUtf8, OutputSchema, OutputTooLarge,
};

use super::{Case, Expect, answer};

const ALLOW: Expect = Expect::Outcome("allow");
const BAD: Expect = Expect::Failed(OutputBadJson);
const SCHEMA: Expect = Expect::Failed(OutputSchema);

/// The largest answer.
const ANSWER_BYTES: usize = 64 * 1024;

/// Bytes that are not JSON: HR-67, HR-68, HR-75.
#[must_use]
pub fn not_json() -> Vec<Case> {
    let whole = r#"{"continue":{"shared":{"a":[1,true,null,"x\n"]}}}"#;
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let spaces = |len: usize| [br#"{"continue":{}}"#.as_slice(), &vec![b' '; len - 15]].concat();
    let mut cases = vec![
        answer(
            "HR-67",
            "invalid UTF-8",
            b"{\"continue\":{\"shared\":{\"a\":\"\xff\"}}}".to_vec(),
            Expect::Failed(OutputNotUtf8),
        ),
        answer(
            "HR-67",
            "an overlong slash",
            b"{\"continue\":{\"shared\":{\"a\":\"\xc0\xaf\"}}}".to_vec(),
            Expect::Failed(OutputNotUtf8),
        ),
        answer(
            "HR-67",
            "a surrogate in UTF-8",
            b"{\"continue\":{\"shared\":{\"a\":\"\xed\xa0\x80\"}}}".to_vec(),
            Expect::Failed(OutputNotUtf8),
        ),
        answer(
            "HR-67",
            "UTF-16 with a mark",
            [b"\xff\xfe".as_slice(), &utf16(whole)].concat(),
            Expect::Failed(OutputNotUtf8),
        ),
        answer("HR-67", "UTF-16 without a mark", utf16(whole), BAD),
        answer("HR-67", "a byte order mark", [b"\xef\xbb\xbf".as_slice(), whole.as_bytes()].concat(), BAD),
        answer("HR-68", "trailing garbage", format!("{whole}x"), BAD),
        answer("HR-68", "two documents", format!("{whole}{whole}"), BAD),
        answer("HR-68", "a comment", format!("{whole} // fine"), BAD),
        answer("HR-68", "a trailing comma", r#"{"continue":{},}"#, BAD),
        answer("HR-75", "as long as allowed", spaces(ANSWER_BYTES), ALLOW),
        answer("HR-75", "one byte longer than allowed", spaces(ANSWER_BYTES + 1), Expect::Failed(OutputTooLarge)),
        answer("HR-75", "64 KiB of white space", vec![b' '; ANSWER_BYTES], BAD),
    ];
    cases.extend(
        (0..whole.len()).map(|end| answer("HR-68", format!("cut at byte {end}"), &whole.as_bytes()[..end], BAD)),
    );
    cases
}

/// JSON outside the canonical profile: HR-69 … HR-72.
#[must_use]
pub fn profile() -> Vec<Case> {
    let shared = |id, value: &str, expect| {
        answer(
            id,
            value.chars().take(60).collect::<String>(),
            format!(r#"{{"continue":{{"shared":{{"a":{value}}}}}}}"#),
            expect,
        )
    };
    let stored = |value: &str, expect| {
        answer(
            "HR-72",
            format!("stored: {value}"),
            format!(r#"{{"continue":{{"user_metadata":{{"a":{value}}}}}}}"#),
            expect,
        )
    };
    let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    vec![
        answer("HR-69", "a key twice at the top", r#"{"continue":{},"continue":{}}"#, BAD),
        answer("HR-69", "a key twice in a bag", r#"{"continue":{"app_metadata":{"plan":"free","plan":"gold"}}}"#, BAD),
        answer(
            "HR-69",
            "a key twice, once escaped",
            r#"{"continue":{"app_metadata":{"plan":"free","pl\u0061n":"gold"}}}"#,
            BAD,
        ),
        shared("HR-69", r#"{"x":{"y":1,"y":1}}"#, BAD),
        // The answer, `continue` and `shared` are three levels.
        shared("HR-70", &arrays(29), ALLOW),
        shared("HR-70", &arrays(30), BAD),
        shared("HR-70", &arrays(125), BAD),
        shared("HR-70", &arrays(30_000), BAD),
        shared("HR-70", &"[".repeat(60_000), BAD),
        shared("HR-70", &objects(29), ALLOW),
        shared("HR-70", &objects(30), BAD),
        shared("HR-70", &objects(10_000), BAD),
        shared("HR-71", "9007199254740991", ALLOW),
        shared("HR-71", "-9007199254740991", ALLOW),
        shared("HR-71", "9007199254740992", BAD),
        shared("HR-71", "18446744073709551616", BAD),
        shared("HR-71", "12345678901234567890123", BAD),
        shared("HR-71", "1e400", BAD),
        shared("HR-71", "-1e400", BAD),
        shared("HR-71", "1e300", BAD),
        shared("HR-71", &"9".repeat(10_000), BAD),
        shared("HR-71", &format!("0.{}", "1".repeat(10_000)), ALLOW),
        shared("HR-71", "0.1000000000000000055511151231257827", ALLOW),
        shared("HR-71", "-0", ALLOW),
        shared("HR-71", "-0.0", ALLOW),
        shared("HR-71", "1.0", ALLOW),
        shared("HR-71", "5e-324", ALLOW),
        shared("HR-71", "NaN", BAD),
        shared("HR-71", "Infinity", BAD),
        shared("HR-71", "+1", BAD),
        shared("HR-71", "01", BAD),
        shared("HR-71", "0x10", BAD),
        shared("HR-72", r#""\ud800""#, BAD),
        shared("HR-72", r#""\udc00\ud800""#, BAD),
        shared("HR-72", r#""\u0000""#, SCHEMA),
        shared("HR-72", "\"a\u{1}b\"", BAD),
        shared("HR-72", "\"a\nb\"", BAD),
        shared("HR-72", r#""\ud83d\ude00""#, ALLOW),
        shared("HR-72", "\"\u{202e}\u{fffe}\u{1f600}e\u{301}\"", ALLOW),
        stored(r#""\u0000""#, SCHEMA),
        stored(r#""\u0001""#, SCHEMA),
        stored(r#""\u001b[31m""#, SCHEMA),
        stored(r#""\u0085""#, SCHEMA),
        stored(r#"{"deep":["\u0007"]}"#, SCHEMA),
        stored(r#""tab\tand\nline""#, ALLOW),
        stored("\"\u{202e}\u{1f600}\"", ALLOW),
    ]
}

/// Keys: HR-73.
#[must_use]
pub fn keys() -> Vec<Case> {
    let key = |key: &str, expect| {
        let text = json!({"continue": {"user_metadata": {key: 1}}}).to_string();
        answer("HR-73", key.chars().take(20).collect::<String>(), text, expect)
    };
    let nested = |key: &str| {
        let text = json!({"continue": {"app_metadata": {"a": [{"b": {key: 1}}]}}}).to_string();
        answer("HR-73", format!("nested {key}"), text, SCHEMA)
    };
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!(r#""{number}":1"#)).collect();
        format!(r#"{{"continue":{{"shared":{{"a":{{{}}}}}}}}}"#, members.join(","))
    };
    vec![
        key("__proto__", SCHEMA),
        key("constructor", SCHEMA),
        key("prototype", SCHEMA),
        nested("__proto__"),
        nested("constructor"),
        key("toString", ALLOW),
        key("", ALLOW),
        key("a.b", SCHEMA),
        key("$where", SCHEMA),
        key(&"k".repeat(10_240), SCHEMA),
        answer("HR-73", "997 keys", many(997), ALLOW),
        answer("HR-73", "1 000 keys below three others", many(1_000), BAD),
        answer("HR-73", "5 000 keys", many(5_000), BAD),
    ]
}

/// JSON of another shape: HR-74, HR-76, HR-77, HR-92.
#[must_use]
pub fn shapes() -> Vec<Case> {
    let schema = |text: &str| answer("HR-74", text, text, SCHEMA);
    let denies = |id, text: &str| answer(id, text.chars().take(60).collect::<String>(), text, Expect::Outcome("deny"));
    let lines = |text: &str| answer("HR-92", text, text, SCHEMA);
    vec![
        schema("null"),
        schema("1"),
        schema("\"continue\""),
        schema("[]"),
        schema("{}"),
        schema(r#"{"allow":{}}"#),
        schema(r#"{"continue":null}"#),
        schema(r#"{"continue":[]}"#),
        schema(r#"{"continue":{"users":{"auth0|2":{}}}}"#),
        schema(r#"{"continue":{"user":null}}"#),
        schema(r#"{"continue":{"user_metadata":"x"}}"#),
        schema(r#"{"continue":{"id_token":[]}}"#),
        schema(r#"{"continue":{"scope":"openid"}}"#),
        schema(r#"{"continue":{"scope":[1]}}"#),
        schema(r#"{"continue":{"second_factor":true}}"#),
        schema(r#"{"continue":{"second_factor":{"lift":true}}}"#),
        schema(r#"{"continue":{"redirect":"https://forms.example.com"}}"#),
        schema(r#"{"continue":{"redirect":{}}}"#),
        schema(r#"{"deny":"no"}"#),
        schema(r#"{"deny":{}}"#),
        schema(r#"{"deny":{"code":1}}"#),
        schema(r#"{"deny":{"code":"No"}}"#),
        schema(r#"{"deny":{"code":"no","reason":1}}"#),
        schema(r#"{"deny":{"code":"no","status":200}}"#),
        answer(
            "HR-76",
            "to refuse and to change",
            r#"{"deny":{"code":"no"},"continue":{"app_metadata":{"plan":"gold"}}}"#,
            SCHEMA,
        ),
        denies("HR-77", r#"{"deny":{"code":"no"}}"#),
        denies("HR-77", &json!({"deny": {"code": "no", "reason": "x".repeat(60_000)}}).to_string()),
        denies("HR-77", &json!({"deny": {"code": "no", "reason": "<b>\r\nX: 1\u{1b}[31m\u{202e}"}}).to_string()),
        lines("{\"deny\":{\"code\":\"no\\r\\nx\"}}"),
        lines("{\"continue\":{\"scope\":[\"openid\\r\\n\"]}}"),
        lines("{\"continue\":{\"scope\":[\"a b\"]}}"),
        lines("{\"continue\":{\"id_token\":{\"https://example.com/a\":\"\\u0000\"}}}"),
        answer(
            "HR-84",
            "another user",
            r#"{"continue":{"context":{"primaryUser":"auth0|somebody-else"}}}"#,
            Expect::Failed(MutationForbidden),
        ),
        answer(
            "HR-89",
            "a second factor that never was",
            r#"{"continue":{"id_token":{"amr":["mfa"]}}}"#,
            Expect::Failed(ClaimReserved),
        ),
    ]
}
