//! The bytes of the contract: event documents and canonical JSON.

use serde::Deserialize;
use serde_json::Value;
use vestibule_abi::{
    document::{self, Document, Kind, Node},
    limits,
};
use vestibule_pipeline::json::{self, Problem};

/// Documents to start from.
pub const DOCUMENTS: &[&[u8]] = &[
    b"vst1\0\0\0\0\x80\0\0\0\x10\0\0\0\
      \x07\0\x02\0\x68\0\0\0\x08\0\0\0\0\0\0\0\x07\0\x02\0\x38\0\0\0\x08\0\x05\0\0\0\0\0\
      \x05\x01\0\0\x03\0\0\0a@b\0\0\0\0\0\x05\x01\0\0\x01\0\0\0n\0\0\0\0\0\0\0\
      \x04\0\0\0\x08\0\0\0\0\0\0\0\0\0\xf8\x3f\x05\x01\0\0\x01\0\0\0x\0\0\0\0\0\0\0\
      \x06\0\x01\0\x08\0\0\0\x02\0\0\0\0\0\0\0",
    b"vst1\0\0\0\0\x18\0\0\0\x10\0\0\0\x00\0\0\0\0\0\0\0",
    b"vst1\0\0\0\0\x20\0\0\0\x10\0\0\0\x03\0\0\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\x1f\0",
];

/// Heads of nodes, right and wrong.
pub const NODES: &[&[u8]] = &[
    b"\x00\0\0\0\0\0\0\0",
    b"\x06\0\x01\0\x08\0\0\0",
    b"\x07\0\x01\0\x10\0\0\0",
    b"\x08\0\x05\0\0\0\0\0",
    b"\x05\0\0\0\xff\xff\xff\xff",
    b"\x04\0\0\0\x08\0\0\0\0\0\0\0\0\0\xf8\x7f",
    b"\xc8\0\0\0\0\0\0\0",
];

/// Any bytes as a document: read without a panic, and what is read stays within its bounds.
pub fn document(bytes: &[u8]) {
    // A fuzzer hardly ever guesses the length in the header, so it is also put right.
    let mut forged = bytes.to_vec();
    if let Some(header) = forged.get_mut(..16) {
        header[..4].copy_from_slice(&document::MAGIC);
        header[8..12].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    }
    for bytes in [bytes, &forged] {
        let Ok(document) = Document::parse(bytes) else { continue };
        walk(document.root(), 0);
        let Ok(value) = Value::deserialize(document.root()) else { continue };
        assert!(json::text_of_document(bytes).is_ok());
        if let Ok(encoded) = document::encode(&value) {
            assert_eq!(json::to_text(&decoded(&encoded)), json::to_text(&value));
        }
    }
}

/// Reads every node, and finds every member of an object by its name.
fn walk(node: Node<'_>, level: usize) {
    assert!(level <= limits::JSON_DEPTH, "nodes deeper than any document may be");
    match node.kind() {
        None | Some(Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::String(_)) => {}
        Some(Kind::Array(elements)) => elements.for_each(|element| walk(element, level + 1)),
        Some(Kind::Object(members)) => {
            for (name, value) in members {
                assert!(node.get(name).is_some(), "a member that is listed is not found");
                walk(value, level + 1);
            }
        }
    }
}

/// Any JSON of the profile: encoded as a document and decoded again, it is the same.
pub fn document_vs_json(bytes: &[u8]) {
    let Ok(value) = json::parse_event(bytes) else { return };
    let encoded = document::encode(&value).expect("what is canonical can be encoded");
    assert_eq!(decoded(&encoded), value);
    assert_eq!(json::text_of_document(&encoded).as_deref(), Ok(json::to_text(&value).as_str()));
}

/// Any bytes as JSON: what the profile accepts, any parser accepts, with the same meaning and one text.
pub fn json(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(bytes);
    let ours = match json::parse_event(bytes) {
        Ok(ours) => ours,
        Err(refused) => {
            let is_json = theirs.is_ok();
            assert!(!is_json || !matches!(refused.problem, Problem::Syntax(_) | Problem::NotUtf8), "{refused}");
            return;
        }
    };
    let theirs = theirs.expect("what the profile accepts is JSON");
    let text = json::to_text(&ours);
    assert_eq!(text, json::to_text(&theirs), "two parsers read it differently");
    assert_eq!(json::text_len(&ours), text.len());
    assert_eq!(json::parse_event(text.as_bytes()).as_ref(), Ok(&ours), "the text of a value is not its text");
    match json::parse(bytes) {
        Ok(limited) => assert_eq!(limited, ours),
        Err(refused) => assert!(matches!(refused.problem, Problem::Keys(_)), "{refused}"),
    }
}

fn decoded(document: &[u8]) -> Value {
    let document = Document::parse(document).expect("what was encoded is a document");
    Value::deserialize(document.root()).expect("what was encoded can be decoded")
}
