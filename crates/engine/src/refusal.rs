//! Why a module may not be deployed.

use std::fmt::Write as _;

use vestibule_abi::codes::RefusalCode;

/// A module or manifest that is not accepted. Nothing was activated; what ran before keeps running.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// For the author: what is wrong, and the next step.
    pub message: String,
}

impl Refusal {
    /// A refusal with its message.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A name from a module, made safe to show: escaped, at most 64 characters (HR-22, HR-25).
pub(crate) fn shown(name: &str) -> String {
    const SHOWN_CHARS: usize = 64;
    let mut shown = String::new();
    for (position, character) in name.chars().enumerate() {
        if position == SHOWN_CHARS {
            shown.push('…');
            break;
        }
        match character {
            ' '..='~' => shown.push(character),
            // Controls, bidirectional overrides and look-alikes: by their number.
            _ => write!(shown, "\\u{{{:x}}}", u32::from(character)).unwrap_or_default(),
        }
    }
    shown
}
