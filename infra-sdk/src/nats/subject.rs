//! Names as tokens of subjects and keys: a dot, a star or a space in one must not make another token.

use crate::error::{Error, Result};
use crate::names::quoted;

/// `text` as one token of a subject, which is also one of a key: what is not a letter, a digit, `-` or `_` is written as
/// `=XX`, its byte in hexadecimal. Different texts give different tokens.
///
/// Subjects are separated by `.` and take `*` and `>` for any token; keys of a bucket may hold `-/_=.a-zA-Z0-9`
/// (<https://docs.nats.io/nats-concepts/jetstream/key-value-store>).
pub(super) fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token += &format!("={byte:02X}");
        }
    }
    token
}

/// The text that a token stands for.
///
/// # Errors
/// `Invalid` for what [`token`] never gives.
pub(super) fn text(written: &str) -> Result<String> {
    let wrong = || Error::invalid(format!("{} is not a token of a subject", quoted(written)));
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend_from_slice(before.as_bytes());
        let hex = after.get(..2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| wrong())?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    if token(&text) == written { Ok(text) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_one_token_and_comes_back() {
        for text_of in ["shop-api", "shop.api", "a*b", "a>b", "a b", "käse", "=2E", "=", "_x", "\u{0}\n"] {
            let token_of = token(text_of);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=".contains(c);
            assert!(token_of.chars().all(plain), "{token_of}");
            assert_eq!(text(&token_of).unwrap(), text_of);
        }
    }

    #[test]
    fn what_is_no_token_of_ours_is_refused() {
        for bad in ["a.b", "a*", "=2", "=zz", "=C3", "=61", "=2e", "ä"] {
            assert!(text(bad).is_err(), "{bad}");
        }
    }
}
