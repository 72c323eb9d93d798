//! From an author's file to what is deployed.

use vestibule_engine::{JavaScriptUpload, ScriptCapability, ScriptKind};
use vestibule_javascript_analysis::{Diagnostic, Kind, SOURCE_BYTES, analyse};

use crate::modules::{bundle, table};

/// Turns a source into an upload with the modules it names. `file` is the name that errors show; `.ts` is TypeScript. A
/// source that is too long is not read: the engine takes no upload of it, and says so.
///
/// # Errors
/// What makes it impossible to run, each with its line and what to do instead.
pub fn upload(file: &str, source: &str) -> Result<JavaScriptUpload, Vec<Diagnostic>> {
    if source.len() > SOURCE_BYTES {
        return Ok(JavaScriptUpload { file: file.to_owned(), ..JavaScriptUpload::rule(source) });
    }
    let program = analyse(file, source, table())?;
    let kind = match program.kind {
        Kind::Rule => ScriptKind::Rule,
        Kind::Action => ScriptKind::Action,
    };
    Ok(JavaScriptUpload {
        kind,
        file: file.to_owned(),
        source: program.code,
        modules: program.modules.iter().filter_map(|name| bundle(name)).collect(),
        capabilities: program.needs_http.then_some(ScriptCapability::Http).into_iter().collect(),
    })
}
