//! What a text in base64 means, where that is a text again.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// What is shorter is not looked for, see [`Masks`](crate::mask::Masks).
const SHORTEST: usize = 4;

/// With or without the signs at its end.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// The readable text that `text` is the base64 form of, also broken into lines. A password of the same letters decodes to
/// bytes that are hardly ever readable.
pub(in crate::plan) fn readable(text: &str) -> Option<String> {
    // Most secrets are no base64, which is seen without a copy.
    let is_blank = |byte: u8| byte.is_ascii_whitespace();
    let is_of_it =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if !text.bytes().all(|byte| is_of_it(byte) || is_blank(byte)) {
        return None;
    }
    let joined: Vec<u8> = text.bytes().filter(|byte| !is_blank(*byte)).collect();
    let decoded = STANDARD.decode(&joined).or_else(|_| FOR_URLS.decode(&joined)).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let is_readable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (decoded.trim().len() >= SHORTEST && decoded.chars().all(is_readable)).then_some(decoded)
}

/// The text without one layer of the escapes of JSON, which most programs share; `None` when it has none. What is no
/// escape stays as it is.
pub(in crate::plan) fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (meant, length) = escape(after).unwrap_or(('\\', 0));
        plain.push(meant);
        rest = &after[length..];
    }
    plain.push_str(rest);
    (plain.len() < text.len()).then_some(plain)
}

/// What stands after a backslash: the character that is meant, and how many bytes say so.
fn escape(after: &str) -> Option<(char, usize)> {
    let unit = |text: &str| -> Option<u32> {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let meant = match after.bytes().next()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => {
            let first = unit(&after[1..])?;
            if let Some(c) = char::from_u32(first) {
                return Some((c, 5));
            }
            // Half of a pair: the other half follows.
            let second = after.get(5..)?.strip_prefix("\\u").and_then(unit)?;
            let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            return Some((char::decode_utf16(pair).next()?.ok()?, 11));
        }
        _ => return None,
    };
    Some((meant, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_of_escapes_is_taken_off_and_what_is_none_stays() {
        assert_eq!(unescaped(r#"a\"b\\nc\u0026d"#).as_deref(), Some("a\"b\\nc&d"));
        assert_eq!(unescaped(r"\ud83d\ude00 \n").as_deref(), Some("\u{1f600} \n"));
        for text in ["plain", r"C:\x", r"\ud83d", r"\u12", r"\uüüüü", "\\"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }

    #[test]
    fn readable_texts_are_decoded_in_both_alphabets_with_and_without_an_end() {
        for text in ["aHVudGVyMi1pcy1teS1wdw==", "aHVudGVyMi1pcy1teS1wdw", "aHVudGVyMi1p\ncy1teS1wdw==\n"] {
            assert_eq!(readable(text).as_deref(), Some("hunter2-is-my-pw"), "{text:?}");
        }
        assert_eq!(readable("Pz8/Pz8+").as_deref(), Some("?????>"));
        assert_eq!(readable("Pz8_Pz8-").as_deref(), Some("?????>"));
        for text in ["hunter2", "YWJj", "not base64", "AAAAAAAA", "/////////w==", ""] {
            assert_eq!(readable(text), None, "{text:?}");
        }
    }
}
