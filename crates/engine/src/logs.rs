//! What a rule logs: copied as bytes while it runs, turned into text afterwards, on the host's own stack.

use serde::Serialize;
use vestibule_abi::{host::Level, limits::Spent};

/// One line of a rule's log, safe to print (HR-94).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// The text: lossy UTF-8 without control characters.
    pub text: String,
}

/// The raw lines of one run, within its budget.
#[derive(Debug, Default)]
pub(crate) struct RawLog {
    lines: Vec<(Level, Vec<u8>)>,
    dropped: u32,
}

impl RawLog {
    /// Keeps what fits the budget and counts the rest (HR-93).
    pub(crate) fn push(&mut self, level: Level, bytes: &[u8], lines_left: u32, bytes_left: u32, spent: &mut Spent) {
        let room = bytes_left.saturating_sub(spent.log_bytes) as usize;
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if spent.log_lines >= lines_left || (kept.is_empty() && !bytes.is_empty()) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        if kept.len() < bytes.len() {
            self.dropped = self.dropped.saturating_add(1);
        }
        spent.log_lines += 1;
        spent.log_bytes += u32::try_from(kept.len()).unwrap_or(u32::MAX);
        self.lines.push((level, kept.to_vec()));
    }

    /// The lines as text; a last line says how many were cut or left out.
    pub(crate) fn into_lines(self) -> Vec<LogLine> {
        let mut lines: Vec<LogLine> = self
            .lines
            .into_iter()
            .map(|(level, bytes)| LogLine { level: level.as_str(), text: printable(&String::from_utf8_lossy(&bytes)) })
            .collect();
        if self.dropped > 0 {
            let text = format!("[truncated: {} lines over the limit]", self.dropped);
            lines.push(LogLine { level: Level::Warn.as_str(), text });
        }
        lines
    }
}

/// Guest text without what a terminal or a log viewer would act on.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' => ' ',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            _ if character.is_control() => '\u{fffd}',
            _ => character,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(lines: &[&[u8]], lines_left: u32, bytes_left: u32) -> (Vec<String>, Spent) {
        let (mut log, mut spent) = (RawLog::default(), Spent::default());
        for line in lines {
            log.push(Level::Info, line, lines_left, bytes_left, &mut spent);
        }
        (log.into_lines().into_iter().map(|line| line.text).collect(), spent)
    }

    #[test]
    fn what_does_not_fit_is_cut_and_counted() {
        let (lines, spent) = logged(&[b"first", b"second", b"third"], 2, 8);
        assert_eq!(lines, ["first", "sec", "[truncated: 2 lines over the limit]"]);
        assert_eq!((spent.log_lines, spent.log_bytes), (2, 8));
    }

    #[test]
    fn empty_lines_count_as_lines() {
        let (lines, spent) = logged(&[b"", b"", b""], 2, 8);
        assert_eq!(lines, ["", "", "[truncated: 1 lines over the limit]"]);
        assert_eq!(spent.log_lines, 2);
    }

    #[test]
    fn nothing_a_terminal_would_act_on_is_left() {
        let (lines, _) = logged(&[b"a\x1b[31mred\x07\r\n\xff\xc2\x9b\tb", "\u{202e}gpj.exe".as_bytes()], 9, 99);
        assert_eq!(lines, ["a\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd} b", "\u{fffd}gpj.exe"]);
    }
}
