//! Where an object or array ends: its brackets are counted, those in strings left out, sixty-four bytes at a time.
//!
//! What stands in a block is told by bits, the first byte's being the lowest; so strings and brackets cost what the block
//! costs, however many there are.

use std::mem;

use wide::u8x16;

const BLOCK: usize = u64::BITS as usize;
const LANES: usize = 16;

/// The bit that a bracket of either kind lacks and a brace has.
const BRACE: u8 = b'{' ^ b'[';

/// Where the object or array ends that begins at `at`, where its bracket stands: behind its closing one.
pub(super) fn nested_end(text: &[u8], at: usize) -> Option<usize> {
    let (mut strings, mut open) = (Strings::default(), 0);
    let (blocks, rest) = text.get(at..)?.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        if let Some(end) = Marks::of(block).end_within(&mut strings, &mut open) {
            return Some(at + number * BLOCK + end);
        }
    }
    let mut last = [b' '; BLOCK];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    Marks::of(&last).end_within(&mut strings, &mut open).map(|end| at + blocks.len() * BLOCK + end)
}

/// Where in a block something stands.
struct Marks {
    quotes: u64,
    backslashes: u64,
    opening: u64,
    closing: u64,
}

impl Marks {
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self { quotes: 0, backslashes: 0, opening: 0, closing: 0 };
        for (number, lanes) in block.as_chunks::<LANES>().0.iter().enumerate() {
            let bytes = u8x16::new(*lanes);
            let braces = bytes | u8x16::splat(BRACE);
            let bits = |equal: u8x16| u64::from(equal.to_bitmask()) << (number * LANES);
            marks.quotes |= bits(bytes.simd_eq(u8x16::splat(b'"')));
            marks.backslashes |= bits(bytes.simd_eq(u8x16::splat(b'\\')));
            marks.opening |= bits(braces.simd_eq(u8x16::splat(b'{')));
            marks.closing |= bits(braces.simd_eq(u8x16::splat(b'}')));
        }
        marks
    }

    /// Where in the block the outermost bracket closes, if it does, of which so many are open before it.
    fn end_within(&self, strings: &mut Strings, open: &mut usize) -> Option<usize> {
        let outside = !strings.within(self);
        let (opening, closing) = (self.opening & outside, self.closing & outside);
        let count = |bits: u64| bits.count_ones() as usize;
        if count(closing) < *open {
            *open = *open + count(opening) - count(closing);
            return None;
        }
        let mut brackets = opening | closing;
        while brackets != 0 {
            let bracket = brackets & brackets.wrapping_neg();
            if opening & bracket != 0 {
                *open += 1;
            } else {
                *open -= 1;
                if *open == 0 {
                    return Some(bracket.trailing_zeros() as usize + 1);
                }
            }
            brackets ^= bracket;
        }
        None
    }
}

/// What a block leaves to the next one.
#[derive(Default)]
struct Strings {
    /// All bits, where the block ended within a string.
    goes_on: u64,
    /// The lowest bit, where the next block begins with an escaped byte.
    escaped: u64,
}

impl Strings {
    /// Which bytes of a block stand in strings: from the opening quote to before the closing one.
    fn within(&mut self, marks: &Marks) -> u64 {
        let mut within = marks.quotes & !self.escaped_by(marks.backslashes);
        for shift in [1, 2, 4, 8, 16, 32] {
            within ^= within << shift;
        }
        within ^= self.goes_on;
        self.goes_on = if within >> (BLOCK - 1) == 0 { 0 } else { u64::MAX };
        within
    }

    fn escaped_by(&mut self, backslashes: u64) -> u64 {
        let mut escaped = mem::take(&mut self.escaped);
        let mut left = backslashes & !escaped;
        while left != 0 {
            let backslash = left & left.wrapping_neg();
            let next = backslash << 1;
            escaped |= next;
            self.escaped = u64::from(next == 0);
            left &= !(backslash | next);
        }
        escaped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte.
    fn byte_by_byte(text: &[u8], at: usize) -> Option<usize> {
        let (mut open, mut is_string, mut escapes) = (0_usize, false, false);
        for (place, byte) in text.iter().enumerate().skip(at) {
            let is_escaped = mem::take(&mut escapes);
            match byte {
                b'\\' => escapes = !is_escaped,
                b'"' if is_escaped => {}
                b'"' => is_string = !is_string,
                b'{' | b'[' if !is_string => open += 1,
                b'}' | b']' if !is_string => {
                    open -= 1;
                    if open == 0 {
                        return Some(place + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn an_end_is_found_wherever_it_stands_to_a_block() {
        for before in [0, 1] {
            for length in 0..BLOCK * 2 {
                for inner in [r#""}""#, r#""\"}""#, r#""\\",{}"#, r#"{"[":[[]]}"#] {
                    let text = format!("{}[{}{inner}]]", " ".repeat(before), " ".repeat(length));
                    assert_eq!(nested_end(text.as_bytes(), before), Some(text.len() - 1), "{text}");
                }
            }
        }
    }

    #[test]
    fn backslashes_at_the_end_of_a_block_reach_into_the_next() {
        for backslashes in 0..BLOCK * 2 {
            let more = if backslashes % 2 == 0 { "" } else { "]\"" }; // The quote before it is escaped.
            for length in 0..BLOCK {
                let text = format!("[{}\"{}\"{more}]", " ".repeat(length), "\\".repeat(backslashes));
                assert_eq!(nested_end(text.as_bytes(), 0), Some(text.len()), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_end_is_found_as_byte_by_byte(text in "[\\[{][\"\\\\{}\\[\\] a]{0,200}", before in 0_usize..2) {
            let text = format!("{}{text}", " ".repeat(before));
            prop_assert_eq!(nested_end(text.as_bytes(), before), byte_by_byte(text.as_bytes(), before));
        }
    }
}
