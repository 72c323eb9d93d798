//! The canonical profile, case by case (HR-67 … HR-72), and its laws.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NotCanonical, Problem, document_of_text, parse, parse_event, text_len, text_of_document, to_text};

/// What a text means in both of its readers: the tree, and the document as text.
fn read(bytes: &[u8]) -> (Result<Value, NotCanonical>, Result<String, NotCanonical>) {
    (parse_event(bytes), document_of_text(bytes).map(|document| text_of_document(&document).unwrap()))
}

#[track_caller]
fn accepts(text: &str, canonical: &str) {
    let value = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(to_text(&value), canonical, "{text}");
    assert_eq!(read(text.as_bytes()).1.unwrap(), canonical, "{text}");
}

#[track_caller]
fn refuses(bytes: &[u8], why: &str) {
    let error = parse(bytes).expect_err(&String::from_utf8_lossy(bytes));
    assert_eq!(error.to_string(), why, "{}", String::from_utf8_lossy(bytes));
    assert_eq!(read(bytes).1.unwrap_err(), error, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn numbers_have_one_form() {
    for (text, canonical) in [
        ("1", "1"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e-400", "0"),
        ("0.1", "0.1"),
        ("0.1000000000000000055", "0.1"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("9007199254740991.0", "9007199254740991"),
        ("5e-324", "5e-324"),
    ] {
        accepts(text, canonical);
    }
}

#[test]
fn numbers_outside_the_profile_are_refused() {
    for text in ["9007199254740992", "-9007199254740992", "18446744073709551616", "12345678901234567890123", "1e300"] {
        refuses(
            text.as_bytes(),
            &format!("a number is outside ±(2^53 − 1) or not finite at line 1 column {}", text.len()),
        );
    }
    for text in ["1e400", "NaN", "Infinity", "01", "+1", ".5", "1."] {
        let error = parse(text.as_bytes()).expect_err(text);
        assert!(matches!(error.problem, Problem::Syntax(_)), "{text}: {error}");
    }
    assert!(parse("9".repeat(10_000).as_bytes()).is_err());
}

#[test]
fn text_that_is_not_one_json_document_is_refused() {
    refuses(b"{\"a\":\xff}", "not UTF-8 at line 1 column 6");
    refuses(b"{\n\"a\":\xc0\x80}", "not UTF-8 at line 2 column 5");
    refuses("\u{feff}{}".as_bytes(), "expected value at line 1 column 1");
    refuses(b"{} {}", "trailing characters at line 1 column 4");
    refuses(br#"{"a":1}x"#, "trailing characters at line 1 column 8");
    refuses(br#""\ud800""#, "unexpected end of hex escape at line 1 column 8");
    refuses(br#"{"a":{"b":1,"b":2}}"#, "the key `b` stands twice in one object at line 1 column 15");
    refuses(br#"["\u0000"]"#, "a string holds NUL at line 1 column 9");
    refuses(br#"{"a\u0000":1}"#, "a string holds NUL at line 1 column 10");
    refuses(b"", "EOF while parsing a value at line 1 column 0");
}

#[test]
fn every_truncation_is_refused() {
    let whole = br#"{"continue":{"app_metadata":{"a":[1,2.5,"\u00e9",null,true]}}}"#;
    assert!(parse(whole).is_ok());
    for end in 0..whole.len() {
        assert!(parse(&whole[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn nesting_ends_at_32_levels() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(parse(nested(32).as_bytes()).is_ok());
        for levels in [33, 128, 100_000] {
            assert_eq!(parse(nested(levels).as_bytes()).unwrap_err().problem, Problem::Depth, "{levels}");
            assert_eq!(document_of_text(nested(levels).as_bytes()).unwrap_err().problem, Problem::Depth, "{levels}");
        }
    }
}

#[test]
fn an_answer_has_at_most_1000_members_and_an_event_more() {
    let object = |keys: usize| Value::Object((0..keys).map(|key| (key.to_string(), json!(0))).collect()).to_string();
    assert!(parse(object(1_000).as_bytes()).is_ok());
    assert_eq!(parse(object(1_001).as_bytes()).unwrap_err().problem, Problem::Keys(1_000));
    assert!(parse_event(object(5_000).as_bytes()).is_ok());
}

#[test]
fn a_key_that_stands_twice_is_found_among_many_in_every_order_and_however_it_is_written() {
    for keys in [2, 31, 32, 33, 34, 1_000] {
        for twice in [0, keys / 2, keys - 1] {
            let member = |key: usize| format!("\"k{key}\":{{\"k{key}\":0}}");
            let members: Vec<String> = (0..keys).map(member).collect();
            let unique = format!("{{{}}}", members.join(","));
            assert!(document_of_text(unique.as_bytes()).is_ok(), "{keys}");
            let text = format!("{{{},\"\\u006b{twice}\":1}}", members.join(","));
            let expected = Problem::DuplicateKey(format!("k{twice}"));
            let (tree, document) = read(text.as_bytes());
            assert_eq!(tree.unwrap_err().problem, expected, "{keys}");
            assert_eq!(document.unwrap_err().problem, expected, "{keys}");
        }
    }
}

#[test]
fn other_text_is_kept_as_it_is() {
    for text in ["\"😀\"", "\"e\u{301}\"", "\"\u{202e}x\"", "\"\u{ffff}\"", r#"{"":{"toString":1}}"#] {
        accepts(text, text);
    }
}

#[test]
fn a_document_reads_back_as_the_same_text() {
    let event = json!({"user": {"name": "Zoë", "n": 1.5, "list": [1, null, true, {}]}, "context": {}});
    let document = vestibule_abi::document::encode(&event).unwrap();
    assert_eq!(text_of_document(&document).unwrap(), to_text(&event));
    assert!(text_of_document(b"vst1").is_err());
}

/// Any value of the profile.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e15..1e15_f64).prop_filter("not integral", |double| double.fract() != 0.0).prop_map(Value::from),
        "[^\u{0}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[^\u{0}]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_parses_to_the_value_it_was_written_from(value in value()) {
        let text = to_text(&value);
        prop_assert_eq!(parse(text.as_bytes()).unwrap(), value.clone());
        prop_assert_eq!(text_len(&value), text.len());
        prop_assert_eq!(document_of_text(text.as_bytes()).unwrap(), vestibule_abi::document::encode(&value).unwrap());
    }

    #[test]
    fn both_readers_of_a_text_agree(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[\\[\\]{}:,\"a\\\\u0-9.eE+ -]{0,24}".prop_map(String::into_bytes),
    ]) {
        let (tree, document) = read(&bytes);
        prop_assert_eq!(tree.map(|tree| to_text(&tree)), document);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = parse(&bytes) {
            prop_assert_eq!(parse(to_text(&value).as_bytes()).unwrap(), value);
        }
    }
}
