//! What to write instead of what is no rule: for a syntax error whose reason is known by where it is.

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_span::SourceType;

const IMPORT: &str = "`import` is not there in a rule: use `const name = require('name')`, inside the function";
const META: &str = "`import.meta` is not there in a rule: it is no module";
const EXPORT: &str =
    "`export` is not there in a rule: a rule is the function alone, an Action sets `exports.onExecutePostLogin`";
const JSX: &str = "JSX is not there in a rule: write the text as a string, or a template literal";
const AWAIT: &str = "`await` needs an `async` function around it; while a rule is loaded there is nothing to wait for";
const TYPESCRIPT: &str = "this is TypeScript: name the file `rule.ts`";
const BESIDE: &str = "a rule is one function with nothing beside it: put what it needs inside it";
const NOTHING: &str = "there is nothing here: a rule is a function (user, context, callback)";

/// Where and how a source has to be written otherwise, given where its first syntax error is and what is said of it.
/// `start` is where the author's text begins in what was parsed.
pub(crate) fn instead(
    parsed: &str,
    start: usize,
    is_typescript: bool,
    error: usize,
    said: &str,
) -> Option<(usize, &'static str)> {
    let head = start + begins(parsed.get(start..).unwrap_or_default());
    let line = parsed.get(..error).unwrap_or_default().rfind('\n').map_or(start, |end| end + 1);
    let line = line + begins(parsed.get(line..).unwrap_or_default());
    let word_at = |at: usize| word(parsed.get(at..).unwrap_or_default());
    let found = match (word_at(head), word_at(line)) {
        ("", _) if parsed.get(head..).is_some_and(|rest| rest.trim_end_matches(')').trim().is_empty()) => {
            (head, NOTHING)
        }
        ("import" | "export", _) if is_typescript && begins_with_types(parsed.get(head..).unwrap_or_default()) => {
            (head, BESIDE)
        }
        ("import", _) => (head, IMPORT),
        ("export", _) => (head, EXPORT),
        (_, "import") => (line, IMPORT),
        (_, "export") => (line, EXPORT),
        _ if said.contains("JSX") || closes_a_tag(parsed, line) => (error, JSX),
        _ if said.contains("`await`") => (error, AWAIT),
        _ if said.contains("import.meta") => (error, META),
        _ if !is_typescript && is_valid_typescript(parsed) => (error, TYPESCRIPT),
        ("const" | "let" | "var" | "class" | "enum" | "namespace" | "interface" | "type" | "declare", _) => {
            (head, BESIDE)
        }
        ("function" | "async", _) if is_whole(parsed.get(start..line).unwrap_or_default()) => (line, BESIDE),
        _ => return None,
    };
    Some(found)
}

/// Where the first thing is that is neither space nor comment.
fn begins(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let comment = if rest.starts_with("//") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else {
            None
        };
        match comment.and_then(|end| rest.get(end..)) {
            Some(behind) => rest = behind,
            None => return text.len() - rest.len(),
        }
    }
}

/// The name or keyword that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_' && character != '$');
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Whether types stand beside the function, which do no harm: something else does.
fn begins_with_types(text: &str) -> bool {
    ["import type ", "export type ", "export interface "].iter().any(|types| text.starts_with(types))
}

/// Whether the line has a closing tag, where TypeScript has already taken the opening one for a type.
fn closes_a_tag(parsed: &str, line: usize) -> bool {
    let line = parsed.get(line..).unwrap_or_default().lines().next().unwrap_or_default();
    line.contains("</") && line.contains('>')
}

/// Whether a text is an expression by itself: what follows it stands beside it.
fn is_whole(text: &str) -> bool {
    is_valid_typescript(&format!("({text}\n)"))
}

fn is_valid_typescript(parsed: &str) -> bool {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, parsed, SourceType::ts().with_script(true)).parse();
    parsed.diagnostics.is_empty()
}
