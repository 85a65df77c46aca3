//! Telling fast, and never wrongly with no, whether a secret can stand in some texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// All runs of four bytes in some texts, as they are and as JSON and URLs mean them.
///
/// A secret has some thirty spellings, and a plan may have a hundred thousand secrets of which a page shows one. So the
/// texts are spelled out once, and a secret is asked about by its own bytes. Whoever passes is then looked for exactly.
pub(super) struct Grams {
    exact: Bits,
    // Only what differs from the bytes themselves; `+` and the blank are one here, for a URL writes both as `+`.
    meant: Bits,
}

/// Shorter secrets are not looked for, see [`Masks`](crate::mask::Masks).
const LENGTH: usize = 4;

impl Grams {
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Self {
        let bytes = texts.clone().map(str::len).sum();
        let mut grams = Grams { exact: Bits::for_bytes(bytes), meant: Bits::for_bytes(bytes) };
        texts.for_each(|text| grams.add(text.as_bytes()));
        grams
    }

    /// Whether one of the secret's spellings may stand in the texts. Strings inside a JSON text are asked about alone.
    pub(super) fn may_hold(&self, secret: &str) -> bool {
        let trimmed = secret.trim();
        self.means(trimmed)
            || (trimmed.contains(['\n', '\r']) && trimmed.lines().any(|line| self.means(line.trim())))
            || self.encodes(trimmed.as_bytes())
            || (trimmed.len() != secret.len() && self.encodes(secret.as_bytes()))
    }

    /// Whether a pattern may stand in the texts as it is.
    pub(super) fn may_hold_exactly(&self, pattern: &str) -> bool {
        pattern.len() >= LENGTH && pattern.as_bytes().windows(LENGTH).all(|gram| self.exact.has(number(gram)))
    }

    fn add(&mut self, text: &[u8]) {
        for gram in text.windows(LENGTH) {
            self.exact.set(number(gram));
        }
        // Whatever may be escaped is read from every place, because a place alone does not tell where a secret begins.
        let mut from = 0;
        for (at, _) in text.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\\' | b'%' | b'+' | b'$'))
        {
            for start in from.max((at + 1).saturating_sub(LENGTH))..=at {
                for step in [in_json, in_url, in_template] {
                    if let Some(gram) = read(text, start, step) {
                        self.meant.set(blank(gram));
                    }
                }
            }
            from = at + 1;
        }
    }

    /// Whether the texts mean `piece`, written plainly or with any escapes.
    fn means(&self, piece: &str) -> bool {
        let known = |start: usize| {
            let gram = number(&piece.as_bytes()[start..start + LENGTH]);
            self.exact.has(gram) || self.meant.has(blank(gram))
        };
        // Only from the start of a character: JSON may write all of it as one escape.
        let mut starts = piece.char_indices().map(|(at, _)| at).take_while(|at| at + LENGTH <= piece.len());
        piece.len() >= LENGTH && starts.all(known)
    }

    /// Whether the texts may hold `bytes` in base64, alone or inside something longer.
    fn encodes(&self, bytes: &[u8]) -> bool {
        if bytes.len() < LENGTH {
            return false;
        }
        for before in 0..3 {
            // The start is enough to rule out nearly all; see `Patterns::base64` for what mixes with neighbours.
            let mut shifted = [0; 36];
            let length = (before + bytes.len()).min(shifted.len());
            shifted[before..length].copy_from_slice(&bytes[..length - before]);
            let mut encoded = [0; 48];
            let encodes = STANDARD_NO_PAD.encode_slice(&shifted[..length], &mut encoded);
            let whole = (length * 8 / 6).min(encodes.unwrap_or_default());
            if self.has_base64(&encoded[[0, 2, 3][before]..whole]) {
                return true;
            }
        }
        // Broken into lines, each line counts.
        bytes.len() > 48 && {
            let encoded = STANDARD_NO_PAD.encode(bytes);
            [64, 76].iter().any(|width| {
                encoded.as_bytes().chunks(*width).any(|line| line.len() < LENGTH || self.has_base64(line))
            })
        }
    }

    /// In the alphabet of base64, or in that of URLs.
    fn has_base64(&self, encoded: &[u8]) -> bool {
        let all = |of: fn(u8) -> u8| {
            let gram = |gram: &[u8]| number(&[of(gram[0]), of(gram[1]), of(gram[2]), of(gram[3])]);
            encoded.windows(LENGTH).all(|window| self.exact.has(gram(window)))
        };
        let for_urls = |byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => other,
        };
        encoded.len() >= LENGTH && (all(|byte| byte) || all(for_urls))
    }
}

fn number(gram: &[u8]) -> u32 {
    u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]])
}

/// `+` as the blank it may mean.
fn blank(gram: u32) -> u32 {
    u32::from_le_bytes(gram.to_le_bytes().map(|byte| if byte == b'+' { b' ' } else { byte }))
}

/// What stands at a place: how many bytes it takes there, and the bytes it means.
type Step = fn(&[u8]) -> (usize, [u8; 4], usize);

/// The four bytes that are meant from `start` on.
fn read(text: &[u8], start: usize, step: Step) -> Option<u32> {
    let (mut gram, mut filled, mut at) = ([0; LENGTH], 0, start);
    while filled < LENGTH {
        let (taken, meant, length) = step(text.get(at..).filter(|rest| !rest.is_empty())?);
        for byte in meant.iter().take(length.min(LENGTH - filled)) {
            gram[filled] = *byte;
            filled += 1;
        }
        at += taken;
    }
    Some(number(&gram))
}

fn as_it_is(byte: u8) -> (usize, [u8; 4], usize) {
    (1, [byte, 0, 0, 0], 1)
}

fn in_json(rest: &[u8]) -> (usize, [u8; 4], usize) {
    let one = |byte| (2, [byte, 0, 0, 0], 1);
    match rest {
        [b'\\', b'u', ..] => {
            let unit = |at: usize| {
                let digits = rest.get(at..at + 6)?.strip_prefix(b"\\u")?;
                u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
            };
            let units = [unit(0), unit(6)].into_iter().map_while(|unit| unit);
            let Some(Ok(found)) = char::decode_utf16(units).next() else { return as_it_is(b'\\') };
            let mut meant = [0; 4];
            let length = found.encode_utf8(&mut meant).len();
            (6 * found.len_utf16(), meant, length)
        }
        [b'\\', b'n', ..] => one(b'\n'),
        [b'\\', b'r', ..] => one(b'\r'),
        [b'\\', b't', ..] => one(b'\t'),
        [b'\\', b'b', ..] => one(8),
        [b'\\', b'f', ..] => one(12),
        [b'\\', byte @ (b'\\' | b'"' | b'/'), ..] => one(*byte),
        _ => as_it_is(rest[0]),
    }
}

fn in_url(rest: &[u8]) -> (usize, [u8; 4], usize) {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match rest {
        [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => (3, [high << 4 | low, 0, 0, 0], 1),
            _ => as_it_is(b'%'),
        },
        _ => as_it_is(rest[0]),
    }
}

/// In the keys of instances Terraform doubles what would begin a template, and escapes the rest as JSON does.
fn in_template(rest: &[u8]) -> (usize, [u8; 4], usize) {
    match rest {
        [b'$', b'$', b'{', ..] | [b'%', b'%', b'{', ..] => (2, [rest[0], 0, 0, 0], 1),
        _ => in_json(rest),
    }
}

/// A set of numbers that may say yes too often.
struct Bits {
    words: Vec<u64>,
    shift: u32,
}

impl Bits {
    /// About one bit in thirty is set by a text of so many bytes; at most 32 MiB.
    fn for_bytes(bytes: usize) -> Self {
        let bits = bytes.saturating_mul(32).next_power_of_two().clamp(1 << 10, 1 << 28);
        Bits { words: vec![0; bits / 64], shift: 32 - bits.trailing_zeros() }
    }

    fn place(&self, gram: u32) -> (usize, u64) {
        let bit = gram.wrapping_mul(0x9E37_79B1) >> self.shift;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn set(&mut self, gram: u32) {
        let (word, bit) = self.place(gram);
        self.words[word] |= bit;
    }

    fn has(&self, gram: u32) -> bool {
        let (word, bit) = self.place(gram);
        self.words[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::patterns;
    use crate::secret::SecretValue;

    /// Numbers that look random and are the same in every run.
    fn random() -> impl FnMut(usize) -> usize {
        let mut state = 11_u64;
        move |limit| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        }
    }

    #[test]
    fn every_spelling_of_every_secret_passes_whatever_stands_around_it() {
        let parts =
            ["a", "b7", "/", "+", " ", "%", "\\", "\"", "\n", "é", "😀", "<", "&", "-", "_", "=", "u00", "n"];
        let mut random = random();
        for _ in 0..1500 {
            let mut make =
                |most: usize| -> String { (0..=random(most)).map(|_| parts[random(parts.len())]).collect() };
            let (secret, before, after) = (make(40), make(4), make(4));
            // What is too short is not looked for, even where an escape makes it longer; strings in JSON come alone.
            if secret.lines().any(|line| line.trim().len() < 4) || secret.starts_with('"') {
                continue;
            }
            for pattern in patterns(&SecretValue::new(secret.as_str())) {
                let text = format!("{before}{pattern}{after}");
                let grams = Grams::of([text.as_str()].into_iter());
                assert!(
                    grams.may_hold(&secret) && grams.may_hold_exactly(&pattern),
                    "{secret:?} as {text:?}"
                );
            }
        }
    }

    #[test]
    fn nearly_everything_else_is_ruled_out() {
        let text = "resource aws_instance.web update ami-0123456789 +%20\\n ".repeat(50);
        let grams = Grams::of([text.as_str()].into_iter());
        let mut random = random();
        let mut secret = || (0..16).map(|_| char::from(b'a' + random(26) as u8)).collect::<String>();
        let passed = (0..10_000).filter(|_| grams.may_hold(&secret())).count();
        assert!(passed < 10, "{passed}");
        assert!(!grams.may_hold("") && !grams.may_hold("abc"));
    }
}
