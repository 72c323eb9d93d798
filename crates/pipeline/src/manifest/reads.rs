//! `reads`: the subtrees of the event that a rule receives.

use std::{fmt, str::FromStr};

/// The roots of an event.
const ROOTS: &[&str] = &["user", "context", "configuration", "shared"];

/// One entry of `reads`: segments between dots; a segment with dots stands in quotes.
///
/// `user.app_metadata`, `context."https://example.com/x"`, `user.identities.access_token` (through an array, the path
/// goes on in each element).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPath(Vec<String>); // INVARIANT: not empty; the first is a root.

impl ReadPath {
    /// The segments, the root first.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for ReadPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let segments = split(text)?;
        match segments.first() {
            Some(root) if ROOTS.contains(&root.as_str()) => Ok(Self(segments)),
            _ => Err(format!("`{}` does not begin with one of `{}`", text.escape_debug(), ROOTS.join("`, `"))),
        }
    }
}

impl fmt::Display for ReadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            if segment.contains('.') { write!(f, "{dot}\"{segment}\"")? } else { write!(f, "{dot}{segment}")? }
        }
        Ok(())
    }
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let (segment, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| format!("`{text}` has a quote that is not closed"))?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        let segment = segment.strip_suffix("[]").unwrap_or(segment); // `identities[]` says the same, for readers.
        if segment.is_empty() || segment.contains('"') {
            return Err(format!("`{text}` has an empty or half-quoted segment"));
        }
        segments.push(segment.to_owned());
        if after.is_empty() {
            return Ok(segments);
        }
        rest = after.strip_prefix('.').ok_or_else(|| format!("`{text}` needs a dot after a closing quote"))?;
    }
}

/// All paths of a manifest as a tree, or those of all manifests of a pipeline: what is read whole, and what in part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadTree {
    /// Whether everything from here on is read.
    pub(crate) whole: bool,
    children: Vec<(String, ReadTree)>,
}

/// What a rule without `reads` receives.
pub(crate) static EVERYTHING: ReadTree = ReadTree::everything();

impl ReadTree {
    pub(crate) fn of(paths: &[ReadPath]) -> Self {
        let mut tree = Self::default();
        for path in paths {
            tree.add(path.segments());
        }
        tree
    }

    /// What any of these is.
    pub(crate) fn union<'t>(trees: impl Iterator<Item = &'t Self>) -> Self {
        let mut union = Self::default();
        for tree in trees {
            union.add_all(tree);
        }
        union
    }

    const fn everything() -> Self {
        Self { whole: true, children: Vec::new() }
    }

    /// What is read of a member; `None`: nothing.
    pub(crate) fn part(&self, key: &str) -> Option<&Self> {
        if self.whole { Some(self) } else { self.child(key) }
    }

    /// What is named below a key.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        self.children.iter().find(|(name, _)| name == key).map(|(_, tree)| tree)
    }

    fn add(&mut self, segments: &[String]) {
        match segments.split_first() {
            None => self.whole = true,
            Some((first, rest)) => self.at(first, |child| child.add(rest)),
        }
    }

    fn add_all(&mut self, other: &Self) {
        self.whole |= other.whole;
        for (name, tree) in &other.children {
            self.at(name, |child| child.add_all(tree));
        }
    }

    /// Adds something to what is read of a member.
    fn at(&mut self, key: &str, add: impl FnOnce(&mut Self)) {
        match self.children.iter_mut().find(|(name, _)| name == key) {
            Some((_, child)) => add(child),
            None => {
                let mut child = Self::default();
                add(&mut child);
                self.children.push((key.to_owned(), child));
            }
        }
    }
}
