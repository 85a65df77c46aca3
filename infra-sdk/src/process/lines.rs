//! Output as lines: where they go, and how bytes become lines.

use std::collections::VecDeque;

/// One of the two outputs of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes the lines a program prints.
///
/// # Contract
/// Lines come masked, without their end, in the order of their stream, on a
/// thread of the program's own: two streams call at the same time. A slow sink
/// slows the program down; nothing is lost.
pub trait LineSink: Send + Sync {
    /// Takes one line.
    fn line(&self, stream: Stream, line: &str);
}

/// The longest line that is shown in one piece.
const LONGEST: usize = 64 * 1024;

/// Cuts bytes into lines. A carriage return ends a line like a newline does, so that a
/// progress display becomes lines of its own; bytes that are not UTF-8 are shown as `�`.
#[derive(Default)]
pub(super) struct Splitter {
    line: Vec<u8>,
    after_return: bool,
}

impl Splitter {
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            // `\r\n` is one end, and so is the `\r\r\n` some programs print.
            if self.after_return && self.line.is_empty() && matches!(first, b'\n' | b'\r') {
                self.after_return = first == b'\r';
                rest = &rest[1..];
                continue;
            }
            self.after_return = false;
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let room = LONGEST - self.line.len();
            let take = end.unwrap_or(rest.len()).min(room);
            self.line.extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            if end == Some(take) {
                self.after_return = rest[0] == b'\r';
                rest = &rest[1..];
                each(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            } else if self.line.len() == LONGEST {
                let keep = self.line.split_off(whole_characters(&self.line));
                each(&String::from_utf8_lossy(&self.line));
                self.line = keep;
            }
        }
    }

    pub(super) fn finish(&mut self, each: impl FnOnce(&str)) {
        if !self.line.is_empty() {
            each(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

/// The length of `bytes` without a character that is cut off at its end.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(&bytes[bytes.len().saturating_sub(4)..]) {
        Err(error) if error.error_len().is_none() => bytes.len().saturating_sub(4) + error.valid_up_to(),
        // The tail may itself begin inside a character; look for the last start.
        Err(_) => match bytes.iter().rev().take(3).position(|byte| byte & 0xC0 == 0xC0) {
            Some(back) if std::str::from_utf8(&bytes[bytes.len() - 1 - back..]).is_err() => {
                bytes.len() - 1 - back
            }
            _ => bytes.len(),
        },
        Ok(_) => bytes.len(),
    }
}

/// The last lines of a program, for an error.
#[derive(Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    const LINES: usize = 20;
    const BYTES: usize = 4096;

    pub(super) fn push(&mut self, line: &str) {
        let from = (line.len().saturating_sub(Self::BYTES)..=line.len())
            .find(|&at| line.is_char_boundary(at))
            .unwrap_or(line.len());
        self.bytes += line.len() - from + 1;
        self.lines.push_back(line[from..].to_owned());
        while self.lines.len() > Self::LINES || (self.bytes > Self::BYTES && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len() + 1);
        }
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        for piece in pieces {
            splitter.push(piece, |line| lines.push(line.to_owned()));
        }
        splitter.finish(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn every_kind_of_line_end_counts_once_and_the_last_line_needs_none() {
        let expected = ["a", "", "b", "10%", "20%", "c", "d"];
        let text = b"a\n\nb\r\n10%\r20%\r\r\nc\nd";
        assert_eq!(split(&[text]), expected);
        assert_eq!(split(&text.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn bytes_that_are_not_text_do_not_end_the_stream() {
        assert_eq!(split(&[b"a\xff", b"b\n\xc3", b"\xa9\n"]), ["a\u{fffd}b", "\u{e9}"]);
    }

    #[test]
    fn a_very_long_line_comes_in_pieces_that_do_not_cut_a_character() {
        for wide in ["\u{e9}", "\u{20ac}", "\u{1f980}"] {
            let text = format!("x{}", wide.repeat(LONGEST));
            let lines = split(&[text.as_bytes()]);
            assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= LONGEST));
            assert_eq!(lines.concat(), text);
        }
    }

    #[test]
    fn a_tail_keeps_the_last_lines_within_its_size() {
        let mut tail = Tail::default();
        (0..100).for_each(|number| tail.push(&format!("line {number}")));
        assert!(tail.text().starts_with("line 80\n") && tail.text().ends_with("line 99"));
        tail.push(&"\u{20ac}".repeat(4000));
        assert!(tail.text().len() <= Tail::BYTES && tail.text().starts_with('\u{20ac}'));
    }
}
