//! Masking of text that arrives in pieces.

use crate::mask::Masks;
use crate::mask::masks::Matcher;

const MASK: &[u8] = b"***";

/// Masks a stream of bytes, also where a value is split between two pieces.
///
/// It holds back only the end of a piece that could be the start of a value: at
/// most one byte less than the longest form of any value. Line breaks inside a
/// value stay, so that each of its lines becomes one masked line.
pub struct MaskStream {
    masks: Masks,
    // Not yet given out.
    held: Vec<u8>,
    // How much of the start of `held` belongs to a value that began before it.
    covered: usize,
    // Whether the last byte given out was part of a mask.
    masking: bool,
}

impl MaskStream {
    pub(super) fn new(masks: Masks) -> Self {
        MaskStream { masks, held: Vec::new(), covered: 0, masking: false }
    }

    /// Takes the next piece and gives out what is decided.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let matcher = self.masks.matcher();
        self.push_with(&matcher, piece)
    }

    /// Gives out what was held back; the stream is then as new.
    pub fn finish(&mut self) -> Vec<u8> {
        let matcher = self.masks.matcher();
        let rest = self.give_out(&matcher, self.held.len());
        self.masking = false;
        rest
    }

    pub(super) fn push_with(&mut self, matcher: &Matcher, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        self.give_out(matcher, matcher.undecided(&self.held))
    }

    /// Gives out the first `end` bytes. A value that reaches over `end` is masked
    /// at once; how far it reaches is kept in `covered`.
    fn give_out(&mut self, matcher: &Matcher, end: usize) -> Vec<u8> {
        let mut found = matcher.find(&self.held);
        if self.covered > 0 {
            found.insert(0, (0, self.covered));
        }
        let mut out = Vec::with_capacity(end);
        let (mut at, mut reach) = (0, self.covered);
        for (from, to) in found {
            if from >= end {
                break;
            }
            self.show(&mut out, at..from.max(at));
            self.hide(&mut out, from.max(at)..to.min(end).max(at));
            at = to.min(end).max(at);
            reach = to.max(reach);
        }
        self.show(&mut out, at..end);
        self.held.drain(..end);
        self.covered = reach.saturating_sub(end);
        out
    }

    fn show(&mut self, out: &mut Vec<u8>, range: std::ops::Range<usize>) {
        if !range.is_empty() {
            out.extend_from_slice(&self.held[range]);
            self.masking = false;
        }
    }

    fn hide(&mut self, out: &mut Vec<u8>, range: std::ops::Range<usize>) {
        for &byte in &self.held[range] {
            if matches!(byte, b'\n' | b'\r') {
                out.push(byte);
                self.masking = false;
            } else if !self.masking {
                out.extend_from_slice(MASK);
                self.masking = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn masks(values: &[&str]) -> Masks {
        let masks = Masks::new();
        values.iter().for_each(|value| masks.add(&SecretValue::new(*value)));
        masks
    }

    fn in_pieces(masks: &Masks, text: &str, mut size: impl FnMut() -> usize) -> String {
        let (mut stream, mut out, mut rest) = (masks.stream(), Vec::new(), text.as_bytes());
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(size().clamp(1, rest.len()));
            out.extend(stream.push(piece));
            rest = next;
        }
        out.extend(stream.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_split_gives_the_same_as_the_whole_text() {
        // Overlaps, repeats, prefixes of each other, several lines, wide characters.
        let values = ["abab", "ababcc", "bccd", "aaaa", "eins\nzwei\nno", "s\u{fc}\u{df}\u{20ac}x"];
        let masks = masks(&values);
        let parts =
            ["ab", "c", "cd", "a", "eins", "\n", "zwei", "no", "s\u{fc}\u{df}", "\u{20ac}x", "-", "\r\n"];
        let mut state = 7_u64;
        let mut random = move |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        for _ in 0..3000 {
            let text: String = (0..random(14)).map(|_| parts[random(parts.len())]).collect();
            let whole = masks.apply(&text);
            assert_eq!(in_pieces(&masks, &text, || 1), whole, "{text:?}");
            assert_eq!(in_pieces(&masks, &text, || random(5) + 1), whole, "{text:?}");
            assert!(values.iter().all(|value| !whole.contains(value)), "{text:?} gave {whole:?}");
        }
    }

    #[test]
    fn a_value_of_several_lines_becomes_as_many_masked_lines() {
        let masks = masks(&["BEGIN KEY\nab\nMIIEpQIBAAK\nEND KEY\n"]);
        assert_eq!(masks.apply("x BEGIN KEY\nab\nMIIEpQIBAAK\nEND KEY\ny"), "x ***\n***\n***\n***\ny");
        assert_eq!(masks.apply("  MIIEpQIBAAK  "), "  ***  ");
    }

    #[test]
    fn only_the_start_of_a_value_is_held_back() {
        let masks = masks(&["hunter2"]);
        let mut stream = masks.stream();
        assert_eq!(stream.push(b"ready? hun"), b"ready? ");
        assert_eq!(stream.push(b"dred"), b"hundred");
        assert_eq!(stream.push(b"hunter"), b"");
        assert_eq!(stream.push(b"2!"), b"***!");
        assert_eq!(stream.finish(), b"");
    }

    #[test]
    fn a_value_learned_in_the_middle_is_masked_from_then_on() {
        let masks = masks(&["other"]);
        let mut stream = masks.stream();
        assert_eq!(stream.push(b"hunter2 "), b"hunter2 ");
        masks.add(&SecretValue::new("hunter2"));
        assert_eq!(stream.push(b"hunter2 "), b"*** ");
    }

    #[test]
    fn an_endless_run_of_one_value_is_one_mask_and_not_kept() {
        let masks = masks(&["aaaa"]);
        let mut stream = masks.stream();
        let mut out = Vec::new();
        for _ in 0..100 {
            out.extend(stream.push(&[b'a'; 64]));
            assert!(stream.held.len() < 64);
        }
        out.extend(stream.finish());
        assert_eq!(out, b"***");
    }
}
