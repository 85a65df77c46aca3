//! One value against one form: the first thing that is wrong, and where, without a byte of the value.

use std::fmt;

use super::{pem, text, url};
use crate::config::SecretForm;
use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    what: &'static str,
    /// Line and column from 1, the column in characters.
    place: Option<(usize, usize)>,
    pub(super) hint: &'static str,
}

impl Flaw {
    pub(super) fn new(what: &'static str, hint: &'static str) -> Self {
        Flaw { what, place: None, hint }
    }

    /// Says where: at this byte of the value.
    pub(super) fn at(mut self, value: &str, byte: usize) -> Self {
        let before = &value[..byte];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        self.place = Some((line, before[start..].chars().count() + 1));
        self
    }

    pub(super) fn at_place(mut self, line: usize, column: usize) -> Self {
        self.place = Some((line, column));
        self
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.place {
            Some((line, column)) => write!(f, " at line {line} column {column}"),
            None => Ok(()),
        }
    }
}

/// Fails unless `value` has the form that `infra.toml` declares for it.
///
/// | form | what passes |
/// | --- | --- |
/// | `string` | any text |
/// | `url` | an absolute URL (RFC 3986); with a host, unless its scheme names none, such as `mailto:` or `file:` |
/// | `json` | one JSON document (RFC 8259) |
/// | `pem` | one or more PEM blocks (RFC 7468), with headers and text between them as OpenSSL writes them |
/// | `base64` | standard or URL-safe base64 (RFC 4648), with or without padding, with any white space |
/// | `integer` | digits, with a sign before them or not |
///
/// ```
/// use infra_sdk::{SecretValue, config::SecretForm, secrets::check_form};
/// # fn main() -> infra_sdk::Result<()> {
/// let name = "CONFIG".parse()?;
/// check_form(&name, SecretForm::Json, &SecretValue::new("{\"a\": 1}"))?;
/// let error = check_form(&name, SecretForm::Json, &SecretValue::new("{\n  a: 1}")).unwrap_err();
/// assert_eq!(error.to_string(), "a value has the wrong form: not JSON at line 2 column 3 (secret: CONFIG)");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid`, saying what is wrong and where; never a byte of the value.
pub fn check_form(name: &SecretName, form: SecretForm, value: &SecretValue) -> Result<()> {
    match flaw(form, value) {
        None => Ok(()),
        Some(flaw) => Err(Error::invalid(format!("a value has the wrong form: {flaw}"))
            .with("secret", name)
            .hint(flaw.hint)),
    }
}

pub(super) fn flaw(form: SecretForm, value: &SecretValue) -> Option<Flaw> {
    let value = value.expose();
    match form {
        SecretForm::String => None,
        SecretForm::Url => url::flaw(value),
        SecretForm::Json => text::json_flaw(value),
        SecretForm::Pem => pem::flaw(value),
        SecretForm::Base64 => text::base64_flaw(value),
        SecretForm::Integer => text::integer_flaw(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(form: SecretForm, value: &str) -> String {
        let name: SecretName = "A".parse().unwrap();
        let error = check_form(&name, form, &SecretValue::new(value)).expect_err(value);
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
        let whole = format!("{error:?}");
        assert!(!whole.contains("canary") && whole.contains("next: "), "{whole}");
        let shown = error.to_string();
        let what = shown.strip_prefix("a value has the wrong form: ").unwrap();
        what.strip_suffix(" (secret: A)").unwrap().to_owned()
    }

    fn right(form: SecretForm, values: &[&str]) {
        let name: SecretName = "A".parse().unwrap();
        for value in values {
            check_form(&name, form, &SecretValue::new(*value)).unwrap_or_else(|e| panic!("{value:?}: {e}"));
        }
    }

    #[test]
    fn any_text_is_a_string() {
        right(SecretForm::String, &["", "x", "\0"]);
    }

    #[test]
    fn a_url_has_a_scheme_and_a_host() {
        let urls = [
            "https://example.com",
            "postgres://u:p%40@[::1]:5432/db?x=1#y",
            "mongodb+srv://u:p@a:1,b:2/db",
            "mailto:a@example.com",
            "jdbc:postgresql://h/db",
            "file:///etc/x",
            "postgres:///db?host=/run/postgresql",
            "redis://:p@h",
            "nats://tok@h:4222,nats://h2:4222",
        ];
        right(SecretForm::Url, &urls);
        for (value, what) in [
            ("canary", "no scheme such as `https:` at line 1 column 1"),
            ("/canary", "no scheme such as `https:` at line 1 column 1"),
            ("//canary/x", "no scheme such as `https:` at line 1 column 1"),
            ("canary.example.com:x/y z", "a blank or control character at line 1 column 23"),
            ("9canary://x", "no scheme such as `https:` at line 1 column 1"),
            ("https:canary", "no `//` and host behind the scheme at line 1 column 7"),
            ("https://", "no host at line 1 column 9"),
            ("https:///canary", "no host at line 1 column 9"),
            ("https://canary@/x", "no host at line 1 column 16"),
            ("postgres://u:can#ary@h/db", "the port is not a number up to 65535 at line 1 column 14"),
            ("https://canary:99999", "the port is not a number up to 65535 at line 1 column 16"),
            ("https://[::1", "the address has no closing bracket at line 1 column 9"),
            ("https://canary\n", "a blank or control character at line 1 column 15"),
            ("", "empty"),
            ("canary:", "nothing behind the scheme at line 1 column 8"),
        ] {
            assert_eq!(wrong(SecretForm::Url, value), what, "{value}");
        }
    }

    #[test]
    fn json_is_one_document() {
        right(SecretForm::Json, &["{}", " [1]\n", "\"x\"", "null", "1e3"]);
        assert_eq!(wrong(SecretForm::Json, "{\n  'canary': 1}"), "not JSON at line 2 column 3");
        assert_eq!(wrong(SecretForm::Json, "{\"canary\": "), "the JSON ends too early at line 1 column 11");
        assert_eq!(wrong(SecretForm::Json, "{} canary"), "not JSON at line 1 column 4");
        assert_eq!(wrong(SecretForm::Json, ""), "empty");
    }

    #[test]
    fn a_pem_block_begins_ends_and_holds_base64() {
        let block = "-----BEGIN A KEY-----\nProc-Type: 4,ENCRYPTED\n\nYWJj\nZGU=\n-----END A KEY-----";
        right(SecretForm::Pem, &[block, &format!("Bag\n{block}\n\nx: y\r\n{block}\r\n")]);
        for (value, what) in [
            ("canary", "no PEM block"),
            ("-----BEGIN X-----\ncanary", "the PEM block has no end at line 1 column 1"),
            (
                "-----BEGIN X-----\nYWJj\n-----END Y-----",
                "the PEM block ends as another kind at line 3 column 1",
            ),
            ("-----BEGIN X-----\nYW\u{e9}Jj\n-----END X-----", "not base64 at line 2 column 3"),
            ("-----BEGIN X-----\n-----END X-----", "the PEM block is empty at line 1 column 1"),
            ("-----BEGIN X-----\nYWJ\n-----END X-----", "the base64 is cut off at line 2 column 4"),
            (
                "-----BEGIN X-----\ncanary: x\n-----END X-----",
                "the headers of the PEM block have no end at line 2 column 1",
            ),
            ("YWJj\n-----END X-----", "the PEM block has no beginning at line 2 column 1"),
            (
                "-----BEGIN X-----\n-----BEGIN X-----\n-----END X-----",
                "the PEM block has no end at line 1 column 1",
            ),
            (
                "-----BEGIN X-----\\nYWJj\\n-----END X-----",
                "the line breaks are written as `\\n` at line 1 column 18",
            ),
            ("-----BEGIN X----- YWJj -----END X-----", "the PEM block is on one line at line 1 column 1"),
        ] {
            assert_eq!(wrong(SecretForm::Pem, value), what, "{value}");
        }
    }

    #[test]
    fn base64_is_of_one_alphabet_and_whole() {
        right(SecretForm::Base64, &["YWJj", "YQ", "YQ==", "-_8", "+/8=", "YW\n Jj\t\r\n", "YW==\n"]);
        for (value, what) in [
            ("YW!canary", "not base64 at line 1 column 3"),
            ("Y", "the base64 is cut off at line 1 column 2"),
            ("YWJj=", "the padding is wrong at line 1 column 5"),
            ("YQ=", "the padding is wrong at line 1 column 3"),
            ("YQ==YQ==", "text behind the padding at line 1 column 5"),
            ("+a\n-a", "the two alphabets of base64 are mixed at line 2 column 1"),
            (" ", "empty"),
        ] {
            assert_eq!(wrong(SecretForm::Base64, value), what, "{value}");
        }
    }

    #[test]
    fn an_integer_is_a_sign_and_digits() {
        right(SecretForm::Integer, &["0", "-12", "+1", "123456789012345678901234567890"]);
        for (value, what) in [
            ("", "empty"),
            ("-", "no digits at line 1 column 2"),
            ("1.5", "not a digit at line 1 column 2"),
            ("12canary", "not a digit at line 1 column 3"),
            ("1\n", "not a digit at line 1 column 2"),
            ("\u{664}", "not a digit at line 1 column 1"),
        ] {
            assert_eq!(wrong(SecretForm::Integer, value), what, "{value}");
        }
    }
}
