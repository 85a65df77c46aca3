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

#[cfg(test)]
mod tests {
    use super::*;

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
