use alloc::{string::String, vec, vec::Vec};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::limits;

/// Reads a document back as JSON.
fn decode(bytes: &[u8]) -> Value {
    Value::deserialize(Document::parse(bytes).unwrap().root()).unwrap()
}

#[test]
fn what_is_written_is_read_back_in_order() {
    let event = json!({
        "user": {"email": "ada@example.com", "zeta": 1, "alpha": [true, false, null], "naïve": "ünïcode"},
        "context": {"now": 1_700_000_000_000_i64, "geo": {"latitude": -12.5}},
        "": {},
        "empty": [],
    });
    assert_eq!(decode(&encode(&event).unwrap()), event);
}

#[test]
fn numbers_take_their_canonical_form() {
    let read = decode(&encode(&json!([2.0, -0.0, 0.5, 9_007_199_254_740_991_i64])).unwrap());
    assert_eq!(read, json!([2, 0, 0.5, 9_007_199_254_740_991_i64]));
    for bad in [json!(9_007_199_254_740_992_i64), json!(u64::MAX), json!(1e300)] {
        assert_eq!(encode(&bad), Err(EncodeError::Number), "{bad}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(encode(&nested(limits::JSON_DEPTH)).is_ok());
    assert_eq!(encode(&nested(limits::JSON_DEPTH + 1)), Err(EncodeError::Depth));
}

/// A document of arrays within arrays, as only a forger writes it.
fn forged(levels: u32) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &[0; 4], &(16 + 8 * levels).to_le_bytes(), &16_u32.to_le_bytes()].concat();
    for level in (0..levels).rev() {
        bytes.extend([tag::ARRAY, 0, 1, 0]);
        bytes.extend((8 * level).to_le_bytes());
    }
    bytes
}

#[test]
fn a_forged_document_cannot_exhaust_the_readers_stack() {
    let read = |levels| Value::deserialize(Document::parse(&forged(levels)).unwrap().root());
    assert!(read(limits::JSON_DEPTH as u32).is_ok());
    assert!(read(limits::JSON_DEPTH as u32 + 1).is_err());
    assert!(read(1_000_000).is_err());
}

#[test]
fn a_struct_borrows_the_fields_it_names() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        user: User<'a>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct User<'a> {
        email: &'a str,
        #[serde(default)]
        email_verified: bool,
        nickname: Option<&'a str>,
    }
    let bytes = encode(&json!({
        "context": {"request": {"query": {"a": "b"}}},
        "user": {"identities": [{"provider": "auth0"}], "email": "ada@example.com", "nickname": null},
    }))
    .unwrap();
    let event = Event::deserialize(Document::parse(&bytes).unwrap().root()).unwrap();
    assert_eq!(event, Event { user: User { email: "ada@example.com", email_verified: false, nickname: None } });
}

#[test]
fn a_key_is_found_by_its_text_and_by_its_id() {
    let bytes = encode(&json!({"other": 0, "email": 1, "e": 2, "emailx": 3})).unwrap();
    let root = Document::parse(&bytes).unwrap().root();
    for (name, value) in [("other", 0), ("email", 1), ("e", 2), ("emailx", 3)] {
        assert_eq!(root.get(name).and_then(|node| node.as_i64()), Some(value), "{name}");
        assert_eq!(root.get(Key::of(name)).and_then(|node| node.as_i64()), Some(value), "{name}");
    }
    assert_eq!(root.get("mail"), None);
    assert_eq!(root.get(Key::of("name")), None);
}

#[test]
fn an_error_names_the_field() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its error is looked at")]
    struct Event<'a> {
        #[serde(borrow)]
        user: User<'a>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its error is looked at")]
    struct User<'a> {
        email: &'a str,
        #[serde(default)]
        identities: alloc::vec::Vec<Identity>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its error is looked at")]
    struct Identity {
        provider: String,
    }
    let check = |event: Value, expected: &str| {
        let bytes = encode(&event).unwrap();
        let error = Event::deserialize(Document::parse(&bytes).unwrap().root()).unwrap_err();
        assert_eq!(alloc::format!("{error}"), expected);
    };
    check(json!({}), "missing field `user`");
    check(json!({"user": {}}), "user: missing field `email`");
    check(json!({"user": {"email": null}}), "user.email: expected a string, found null");
    check(
        json!({"user": {"email": "a@b", "identities": [{"provider": "auth0"}, {"provider": 7}]}}),
        "user.identities[1].provider: expected a string, found an integer",
    );
}

#[test]
fn an_encoded_piece_fits_into_another_document() {
    let mut piece = Writer::piece();
    piece.value(&json!({"plan": "gold"})).unwrap();
    let piece = piece.into_piece();

    let mut writer = Writer::document();
    let mut open = writer.open_object().unwrap();
    for name in ["user", "other"] {
        Writer::count(&mut open);
        writer.key(name);
        writer.encoded(&piece);
    }
    writer.close(open).unwrap();
    assert_eq!(decode(&writer.finish().unwrap()), json!({"user": {"plan": "gold"}, "other": {"plan": "gold"}}));
}

#[test]
fn a_reader_skips_what_it_does_not_know() {
    let mut bytes = encode(&json!({"user": 1, "context": 2})).unwrap();
    // The first key becomes a symbol of a later version, its value a tag of one.
    let key = HEADER_BYTES + HEAD_BYTES;
    bytes[key + 2..key + 4].copy_from_slice(&60_000_u16.to_le_bytes());
    bytes[key + HEAD_BYTES] = 200;
    let root = Document::parse(&bytes).unwrap().root();
    assert_eq!(root.get("user"), None);
    assert_eq!(root.get("context").and_then(|node| node.as_i64()), Some(2));
    assert_eq!(root.as_object().unwrap().map(|(key, _)| key).collect::<Vec<_>>(), ["context"]);
}

#[test]
fn bytes_that_are_no_document_are_refused() {
    let good = encode(&json!({"user": {}})).unwrap();
    for cut in 0..good.len() {
        assert_eq!(Document::parse(&good[..cut]).err(), Some(Malformed), "cut at {cut}");
    }
    assert!(Document::parse(&[0; 64]).is_err());
}

/// Values of the canonical profile.
fn canonical() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-limits::JSON_INTEGER..=limits::JSON_INTEGER).prop_map(Value::from),
        (-1e6..1e6_f64).prop_filter("integral numbers are integers", |x| x.fract() != 0.0).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let key = prop_oneof!["[a-z]{0,6}", prop::sample::select(crate::symbols::NAMES).prop_map(String::from)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn every_canonical_value_survives(value in canonical()) {
        prop_assert_eq!(decode(&encode(&value).unwrap()), value);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..256), forge in any::<bool>()) {
        if forge && bytes.len() >= HEADER_BYTES {
            let total = bytes.len() as u32;
            bytes[..4].copy_from_slice(&MAGIC);
            bytes[8..12].copy_from_slice(&total.to_le_bytes());
            bytes[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        }
        if let Ok(document) = Document::parse(&bytes) {
            let _ = Value::deserialize(document.root());
            let _ = document.root().get("user");
        }
    }

    #[test]
    fn flipping_one_byte_never_panics(value in canonical(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = encode(&value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(document) = Document::parse(&bytes) {
            let _ = Value::deserialize(document.root());
        }
    }
}

#[test]
fn golden_vector() {
    let bytes = encode(&json!({"user": {"email": "a@b", "n": 1.5}, "x": [true]})).unwrap();
    let expected = vec![
        // header: magic, flags, total, root
        b'v', b's', b't', b'1', 0, 0, 0, 0, 128, 0, 0, 0, 16, 0, 0, 0, //
        7, 0, 2, 0, 104, 0, 0, 0, // object, 2 members
        8, 0, 0, 0, 0, 0, 0, 0, // symbol 0 = user
        7, 0, 2, 0, 56, 0, 0, 0, // object, 2 members
        8, 0, 5, 0, 0, 0, 0, 0, // symbol 5 = email
        5, 1, 0, 0, 3, 0, 0, 0, b'a', b'@', b'b', 0, 0, 0, 0, 0, // string
        5, 1, 0, 0, 1, 0, 0, 0, b'n', 0, 0, 0, 0, 0, 0, 0, // key "n"
        4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // 1.5
        5, 1, 0, 0, 1, 0, 0, 0, b'x', 0, 0, 0, 0, 0, 0, 0, // key "x"
        6, 0, 1, 0, 8, 0, 0, 0, // array, 1 element
        2, 0, 0, 0, 0, 0, 0, 0, // true
    ];
    assert_eq!(bytes, expected);
}
