//! How deep a source is nested. What reads a source recurses, and some of it takes the square of the depth: what is deeper
//! than anybody writes is refused before it is read, and what only a tree shows, before the tree is walked again.
//!
//! The scan tells a regular expression from a division by what stands before it, and can be misled. That costs time, never
//! the process: see [`stack_for`].

use oxc_ast::{AstKind, ast::Program as Tree};
use oxc_ast_visit::Visit;
use oxc_span::GetSpan as _;

/// Brackets in brackets.
const BRACKETS: usize = 256;
/// `<` that may all begin type arguments: telling them from comparisons takes the square of their number.
const ANGLES: usize = 64;
/// All `<` of a source, in texts too: what bounds that square where the scan is misled.
const ALL_ANGLES: usize = 5_000;
/// Nodes of the tree within each other, such as the sums of `a + b + c`.
const NODES: usize = 2_000;

pub(crate) const TOO_DEEP: &str =
    "this is nested deeper than a rule can be: put parts of it into variables or functions";

/// Words after which a value stands, and no operator.
const BEFORE_VALUES: &[&str] = &[
    "await",
    "case",
    "delete",
    "do",
    "else",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];
/// Words whose parentheses are no value.
const HEADS: &[&str] = &["for", "if", "while", "with"];
/// Words that stand in no type and no expression: with them a statement begins.
const STATEMENTS: &[&str] = &["const", "for", "if", "let", "return", "switch", "throw", "try", "var", "while"];

/// The stack that is enough for a source of so many bytes, however it is nested. Measured, optimised: at most 1.9 kB for a
/// byte (`[` of types), 0.2 kB where the scan is not misled. What is not used is never touched.
pub(crate) fn stack_for(bytes: usize) -> usize {
    const BASE: usize = 4 * 1024 * 1024;
    const OF_A_BYTE: usize = 4 * 1024;
    BASE + bytes * OF_A_BYTE
}

/// What a scan over brackets finds.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Where it is too deep.
    pub(crate) too_deep: Option<usize>,
    /// Where lines begin that stand in no bracket, text or comment, without the space before them.
    pub(crate) lines: Vec<usize>,
}

impl Outline {
    pub(crate) fn of(text: &str) -> Self {
        Scan { text, bytes: text.as_bytes(), ..Scan::default() }.outline()
    }
}

#[derive(Debug, Default)]
struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// The brackets that are open, each with the `<` that are open in it; `$` is the hole of a template, `?` the head of
    /// a statement.
    open: Vec<(u8, usize)>,
    /// The `<` that are open outside of brackets.
    outside: usize,
    /// All `<` that are open.
    angles: usize,
    /// Whether a value stands before, so that `/` divides.
    is_behind_value: bool,
}

impl Scan<'_> {
    fn outline(mut self) -> Outline {
        if let Some((at, _)) = self.text.match_indices('<').nth(ALL_ANGLES) {
            return Outline { too_deep: Some(at), ..Outline::default() };
        }
        let mut outline = Outline { lines: vec![self.behind_space(0)], ..Outline::default() };
        while let Some(byte) = self.bytes.get(self.at).copied() {
            let from = self.at;
            self.at += 1;
            match byte {
                b'\n' if self.open.is_empty() => outline.lines.push(self.behind_space(self.at)),
                b'\'' | b'"' => self.text_until(byte),
                b'`' => self.template(),
                b'/' => self.slash(),
                b'(' if self.is_behind_head(from) => self.push(b'?'),
                b'(' | b'[' | b'{' => self.push(byte),
                b')' | b']' | b'}' => self.pop(),
                b'<' => self.angle(),
                b'>' if self.byte_before(from) != Some(b'=') => self.close_angle(),
                b';' => self.close_angles(),
                _ if is_of_word(byte) => self.word(from),
                _ if byte.is_ascii_whitespace() => {}
                _ => self.is_behind_value = false,
            }
            if self.open.len() > BRACKETS || self.angles > ANGLES {
                return Outline { too_deep: Some(from), ..outline };
            }
        }
        outline
    }

    fn behind_space(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        at + line.len() - line.trim_start().len()
    }

    fn byte_before(&self, at: usize) -> Option<u8> {
        self.bytes.get(at.checked_sub(1)?).copied()
    }

    fn find(&self, what: &str) -> Option<usize> {
        self.text.get(self.at..)?.find(what).map(|found| self.at + found)
    }

    fn is_behind_head(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default().trim_end();
        let is_word = |head: &str| {
            let rest = before.strip_suffix(head);
            rest.is_some_and(|rest| !rest.bytes().next_back().is_some_and(|byte| byte == b'.' || is_of_word(byte)))
        };
        HEADS.iter().any(|head| is_word(head))
    }

    fn push(&mut self, bracket: u8) {
        self.open.push((bracket, 0));
        self.is_behind_value = false;
    }

    fn pop(&mut self) {
        let popped = self.open.pop();
        self.angles -= popped.map_or(0, |(_, angles)| angles);
        self.is_behind_value = popped.is_none_or(|(bracket, _)| bracket != b'?');
        if popped.is_some_and(|(bracket, _)| bracket == b'$') {
            self.template();
        }
    }

    fn angles_here(&mut self) -> &mut usize {
        self.open.last_mut().map_or(&mut self.outside, |(_, angles)| angles)
    }

    fn angle(&mut self) {
        *self.angles_here() += 1;
        self.angles += 1;
        self.is_behind_value = false;
    }

    fn close_angle(&mut self) {
        let here = self.angles_here();
        if *here > 0 {
            *here -= 1;
            self.angles -= 1;
        }
        self.is_behind_value = false;
    }

    fn close_angles(&mut self) {
        self.angles -= std::mem::take(self.angles_here());
        self.is_behind_value = false;
    }

    fn word(&mut self, from: usize) {
        while self.bytes.get(self.at).copied().is_some_and(is_of_word) {
            self.at += 1;
        }
        let word = self.text.get(from..self.at).unwrap_or_default();
        let is_member = self.byte_before(from) == Some(b'.');
        if !is_member && STATEMENTS.contains(&word) {
            self.close_angles();
        }
        self.is_behind_value = is_member || !(BEFORE_VALUES.contains(&word) || STATEMENTS.contains(&word));
    }

    /// The rest of a text in quotes, which ends with its line.
    fn text_until(&mut self, quote: u8) {
        while let Some(byte) = self.bytes.get(self.at).copied().filter(|byte| *byte != b'\n') {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == quote {
                break;
            }
        }
        self.is_behind_value = true;
    }

    /// The rest of a template, or as far as its next hole.
    fn template(&mut self) {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            match byte {
                b'`' => break,
                b'$' if self.bytes.get(self.at) == Some(&b'{') => {
                    self.at += 1;
                    return self.push(b'$');
                }
                _ => {}
            }
        }
        self.is_behind_value = true;
    }

    fn slash(&mut self) {
        match self.bytes.get(self.at) {
            Some(b'/') => self.at = self.find("\n").unwrap_or(self.bytes.len()),
            Some(b'*') => {
                self.at += 1;
                self.at = self.find("*/").map_or(self.bytes.len(), |end| end + 2);
            }
            _ if self.is_behind_value => self.is_behind_value = false,
            _ => self.regular_expression(),
        }
    }

    /// The rest of a regular expression; where its line does not end one, it was a division.
    fn regular_expression(&mut self) {
        let (mut at, mut is_class) = (self.at, false);
        while let Some(byte) = self.bytes.get(at).copied().filter(|byte| *byte != b'\n') {
            at += if byte == b'\\' { 2 } else { 1 };
            match byte {
                b'[' => is_class = true,
                b']' => is_class = false,
                b'/' if !is_class => {
                    (self.at, self.is_behind_value) = (at, true);
                    return;
                }
                _ => {}
            }
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#') || !byte.is_ascii()
}

/// Where a tree is too deep, as an offset.
pub(crate) fn too_deep(tree: &Tree<'_>) -> Option<u32> {
    let mut depth = Depth::default();
    depth.visit_program(tree);
    depth.too_deep
}

#[derive(Debug, Default)]
struct Depth {
    now: usize,
    too_deep: Option<u32>,
}

impl<'a> Visit<'a> for Depth {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        self.now += 1;
        if self.now > NODES && self.too_deep.is_none() {
            self.too_deep = Some(kind.span().start);
        }
    }

    fn leave_node(&mut self, _: AstKind<'a>) {
        self.now -= 1;
    }
}
