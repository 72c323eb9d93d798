//! Event form 1: a binary tree of JSON values in which every node carries its length.
//!
//! A reader skips what it does not want in one step and never copies, so a rule that looks at three fields pays for
//! three fields. The encoding is part of the frozen contract; the golden vectors stand in its tests.
//!
//! # Layout
//!
//! All integers are little endian; every node starts at a multiple of 8.
//!
//! ```text
//! document   magic "vst1" · u32 flags (0) · u32 total bytes · u32 offset of the root node (16)
//! node       u8 tag · u8 flags · u16 aux · u32 len · payload of len bytes · zero bytes up to a multiple of 8
//! ```
//!
//! | tag | value | `aux` | payload |
//! |---|---|---|---|
//! | 0 | null | 0 | none |
//! | 1 | false | 0 | none |
//! | 2 | true | 0 | none |
//! | 3 | integer | 0 | `i64`, within ±(2^53 − 1) |
//! | 4 | float | 0 | `f64`, finite, not integral |
//! | 5 | string | 0 | UTF-8; flag 1: all bytes are ASCII |
//! | 6 | array | elements, 65 535 for that many or more | the element nodes |
//! | 7 | object | members, likewise | key node, value node, key node, … in insertion order |
//! | 8 | symbol, only as a key | its id in [`crate::symbols`] | none |
//!
//! A reader skips a node with a tag it does not know, and ignores flags it does not know. Offsets are relative to
//! nothing but the node itself, so an encoded subtree can be copied into another document as it is.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Array, DecodeError, Document, Key, Kind, Malformed, Node, Object};
pub use write::{EncodeError, Open, Writer, encode};

/// The first four bytes of a document.
pub const MAGIC: [u8; 4] = *b"vst1";
/// Bytes before the root node.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a node before its payload.
pub const HEAD_BYTES: usize = 8;
/// Flag of a string whose bytes are all ASCII.
pub const FLAG_ASCII: u8 = 1;

/// The tags of nodes.
pub mod tag {
    /// `null`.
    pub const NULL: u8 = 0;
    /// `false`.
    pub const FALSE: u8 = 1;
    /// `true`.
    pub const TRUE: u8 = 2;
    /// An integer.
    pub const INTEGER: u8 = 3;
    /// A number that is not integral.
    pub const FLOAT: u8 = 4;
    /// A string.
    pub const STRING: u8 = 5;
    /// An array.
    pub const ARRAY: u8 = 6;
    /// An object.
    pub const OBJECT: u8 = 7;
    /// A well-known key.
    pub const SYMBOL: u8 = 8;
}

/// A payload's length with its padding.
const fn padded(len: usize) -> usize {
    len.saturating_add(7) & !7
}
