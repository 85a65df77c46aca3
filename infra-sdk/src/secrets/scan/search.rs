//! Finding all needles in a stream of bytes of any length, with the line and column of each.

use std::sync::Arc;

use aho_corasick::AhoCorasick;

use crate::error::{Error, ErrorKind, Result};
use crate::mask::Spelling;
use crate::secrets::scan::needles::Needles;

/// So many bytes are searched at once.
const WINDOW: usize = 64 * 1024;
/// What is found in one file beyond this is only counted.
const MOST: usize = 500;

/// Where a needle was found in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub(super) secret: usize,
    pub(super) part: bool,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) spelling: Spelling,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Looks for all needles at once.
pub(super) struct Searcher {
    pub(super) needles: Needles,
    /// `None` when there is nothing to look for.
    automaton: Option<AhoCorasick>,
    longest: usize,
}

impl Searcher {
    pub(super) fn new(needles: Needles) -> Result<Self> {
        let texts = needles.all.iter().map(|needle| &needle.text);
        let longest = texts.clone().map(String::len).max().unwrap_or(0);
        let automaton = if needles.all.is_empty() { None } else { Some(AhoCorasick::new(texts)) };
        let automaton = automaton.transpose().map_err(|error| {
            // Its text tells sizes, never a needle.
            Error::new(ErrorKind::Invalid, "the values are too many to look for at once")
                .because(error.to_string())
                .hint("scan with the values of one environment at a time")
        })?;
        Ok(Searcher { needles, automaton, longest })
    }

    /// Searches one file, piece by piece.
    pub(super) fn stream(self: &Arc<Self>) -> Stream {
        Stream {
            searcher: self.clone(),
            held: Vec::new(),
            searched: 0,
            offset: 0,
            line: 1,
            column: 1,
            hits: Vec::new(),
            more: 0,
        }
    }
}

/// The search of one file.
pub(super) struct Stream {
    searcher: Arc<Searcher>,
    held: Vec<u8>,
    /// How much of the start of `held` was searched already.
    searched: usize,
    /// Where `held` starts in the file: bytes from 0, line and column from 1.
    offset: u64,
    line: u64,
    column: u64,
    hits: Vec<Hit>,
    more: usize,
}

impl Stream {
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        if self.searcher.automaton.is_none() {
            return;
        }
        while !piece.is_empty() {
            let full = self.searcher.longest + WINDOW;
            let (now, rest) = piece.split_at(piece.len().min(full.saturating_sub(self.held.len()).max(1)));
            self.held.extend_from_slice(now);
            piece = rest;
            if self.held.len() >= full {
                self.search();
            }
        }
    }

    /// The hits, each thing once, and how many more there were.
    pub(super) fn finish(mut self) -> (Vec<Hit>, usize) {
        self.search();
        (distinct(self.hits), self.more)
    }

    fn search(&mut self) {
        let searcher = self.searcher.clone();
        let Some(automaton) = &searcher.automaton else { return };
        for found in automaton.find_overlapping_iter(&self.held) {
            // What ends in the part that was searched before was found there.
            if found.end() <= self.searched {
                continue;
            }
            if self.hits.len() >= MOST {
                self.more += 1;
                continue;
            }
            let needle = &searcher.needles.all[found.pattern().as_usize()];
            let (line, column) = place(&self.held[..found.start()], self.line, self.column);
            self.hits.push(Hit {
                secret: needle.secret,
                part: needle.part,
                start: self.offset + found.start() as u64,
                end: self.offset + found.end() as u64,
                spelling: needle.spelling,
                line,
                column,
            });
        }
        // A needle that began in the last bytes may go on in the next ones.
        let keep = self.held.len().min(searcher.longest.saturating_sub(1));
        let gone = self.held.len() - keep;
        (self.line, self.column) = place(&self.held[..gone], self.line, self.column);
        self.offset += gone as u64;
        self.held.drain(..gone);
        self.searched = keep;
    }
}

/// The place after `before`, which starts at a line and column; columns count characters where the text is UTF-8.
fn place(before: &[u8], line: u64, column: u64) -> (u64, u64) {
    let characters = |bytes: &[u8]| bytes.len() as u64 - count(bytes, continued);
    match count(before, line_ends) {
        0 => (line, column + characters(before)),
        lines => {
            let last = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            (line + lines, 1 + characters(&before[last..]))
        }
    }
}

/// Counts bytes by marks that a word of 16 has in the highest bit of each that counts. Every byte of a repo goes through
/// here, mostly in builds without optimisation, where a loop over bytes takes longer than the search itself.
fn count(bytes: &[u8], marks: fn(u128) -> u128) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let mut last = [0xFF; 16];
    last[..rest.len()].copy_from_slice(rest);
    let marked = |word: &[u8; 16]| u64::from((marks(u128::from_ne_bytes(*word)) & HIGH).count_ones());
    words.iter().map(marked).sum::<u64>() + marked(&last)
}

const HIGH: u128 = u128::from_ne_bytes([0x80; 16]);
const LOW: u128 = u128::from_ne_bytes([0x7F; 16]);

/// Marks newlines: the bytes that are zero without the bits of one.
fn line_ends(word: u128) -> u128 {
    let rest = word ^ u128::from_ne_bytes([b'\n'; 16]);
    !(((rest & LOW) + LOW) | rest)
}

/// Marks the bytes that go on with a character, `10xxxxxx`.
fn continued(word: u128) -> u128 {
    word & !(word << 1)
}

/// One hit for each secret, line and spelling; of parts only the first that stands outside of a whole value.
fn distinct(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_unstable();
    let mut kept: Vec<Hit> = Vec::new();
    for hit in hits {
        let same = |other: &&Hit| other.secret == hit.secret;
        let doubled = if hit.part {
            let inside = |other: &Hit| !other.part && other.start <= hit.start && hit.end <= other.end;
            kept.iter()
                .filter(same)
                .any(|other| inside(other) || (other.part && other.spelling == hit.spelling))
        } else {
            kept.iter().filter(same).any(|other| other.line == hit.line && other.spelling == hit.spelling)
        };
        if !doubled {
            kept.push(hit);
        }
    }
    kept.sort_unstable_by_key(|hit| (hit.start, hit.secret));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn searcher(values: &[(&str, &str)]) -> Arc<Searcher> {
        let values = values.iter().map(|(n, v)| (n.parse().unwrap(), SecretValue::new(*v))).collect();
        Arc::new(Searcher::new(Needles::of(&values)).unwrap())
    }

    fn found(searcher: &Arc<Searcher>, text: &[u8], size: usize) -> Vec<(String, Spelling, bool, u64, u64)> {
        let mut stream = searcher.stream();
        text.chunks(size).for_each(|piece| stream.push(piece));
        let name = |hit: &Hit| searcher.needles.names[hit.secret].to_string();
        let (hits, more) = stream.finish();
        assert_eq!(more, 0);
        hits.iter().map(|hit| (name(hit), hit.spelling, hit.part, hit.line, hit.column)).collect()
    }

    #[test]
    fn a_value_is_found_at_every_place_of_a_long_stream_with_line_and_column() {
        let searcher = searcher(&[("A", "s3cret-value"), ("B", "s3cret-value-longer")]);
        for before in [0, 1, WINDOW - 20, WINDOW - 6, WINDOW, WINDOW + 25, 3 * WINDOW - 3] {
            let mut text = b"\xff\n".to_vec();
            text.resize(2 + before, b'x');
            text.extend_from_slice("\né s3cret-value-longer\n".as_bytes());
            text.resize(text.len() + 2 * WINDOW, b'y');
            text.extend_from_slice(b" s3cret-value");
            let wanted = [
                ("A".to_owned(), Spelling::Plain, false, 3, 3),
                ("B".to_owned(), Spelling::Plain, false, 3, 3),
                ("A".to_owned(), Spelling::Plain, false, 4, 2 + 2 * WINDOW as u64),
            ];
            for size in [text.len(), 4096, 1000] {
                assert_eq!(found(&searcher, &text, size), wanted, "{before} {size}");
            }
        }
        assert_eq!(found(&searcher, b"a s3cret-value", 1)[0].4, 3);
    }

    #[test]
    fn every_spelling_is_told_apart_and_a_part_inside_the_whole_is_not_told_again() {
        use base64::Engine;
        let pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----\n";
        let searcher = searcher(&[("KEY", pem), ("PASS", "p\"ss w/rd")]);
        let base64 = base64::engine::general_purpose::STANDARD.encode("user:p\"ss w/rd");
        let text = format!(
            "{pem}\n{base64}\n\"p\\\"ss w/rd\"\np%22ss+w%2Frd\nx MIIEvQIBADANBgkqhkiG\ny AoIBAQC7VJTUt9Us8cKj p\"ss w/rd"
        );
        let of = |name: &str, spelling, part, line, column| (name.to_owned(), spelling, part, line, column);
        let wanted = [
            of("KEY", Spelling::Plain, false, 1, 1),
            of("PASS", Spelling::Base64, false, 6, 8),
            of("PASS", Spelling::Escaped, false, 7, 2),
            of("PASS", Spelling::Url, false, 8, 1),
            of("KEY", Spelling::Plain, true, 9, 3),
            of("PASS", Spelling::Plain, false, 10, 24),
        ];
        assert_eq!(found(&searcher, text.as_bytes(), 1 << 20), wanted);
    }

    #[test]
    fn lines_and_characters_are_counted_sixteen_bytes_at_a_time() {
        let text: Vec<u8> = (0..=255).cycle().take(1000).chain(*b"\n\n\x0b\x8a\xff\n").collect();
        for start in 0..40 {
            for end in [start, start + 1, start + 15, start + 16, start + 17, 500 + start, text.len()] {
                let bytes = &text[start..end];
                let slow = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count() as u64;
                assert_eq!(count(bytes, line_ends), slow(|byte| *byte == b'\n'));
                assert_eq!(count(bytes, continued), slow(|byte| byte & 0xC0 == 0x80));
            }
        }
    }

    #[test]
    fn more_hits_than_anybody_reads_are_counted() {
        let searcher = searcher(&[("A", "s3cret-value")]);
        let mut stream = searcher.stream();
        stream.push("s3cret-value\n".repeat(2000).as_bytes());
        let (hits, more) = stream.finish();
        assert_eq!(hits.len() + more, 2000);
        assert_eq!(hits.len(), MOST);
    }
}
