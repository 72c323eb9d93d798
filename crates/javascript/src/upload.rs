//! From an author's file to what is deployed.

use vestibule_engine::JavaScriptUpload;

/// Turns a source into an upload. `file` is the name that errors show.
#[must_use]
pub fn upload(file: &str, source: &str) -> JavaScriptUpload {
    JavaScriptUpload { file: file.to_owned(), ..JavaScriptUpload::rule(source) }
}
