//! The forms in which one secret value may turn up in text.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::secret::SecretValue;

/// What is shorter would be found everywhere by accident.
const SHORTEST: usize = 4;

/// How a text is written where it turns up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spelling {
    /// As it is.
    Plain,
    /// As JSON and program texts escape it.
    Escaped,
    /// As URLs write it.
    Url,
    /// In base64, alone or inside a longer text.
    Base64,
}

/// Every text that gives `value` away, without doubles: the value, its lines, the
/// strings inside if it is JSON, and their base64, URL and JSON-escaped forms.
pub(crate) fn patterns(value: &SecretValue) -> Vec<String> {
    let mut found = Patterns::default();
    found.value(value.expose());
    found.0.into_keys().collect()
}

/// The forms of one text as a whole, with and without the blanks around it: nothing of its lines or JSON strings alone.
pub(crate) fn spellings(value: &SecretValue) -> BTreeMap<String, Spelling> {
    let mut found = Patterns::default();
    found.whole(value.expose());
    found.0
}

#[derive(Default)]
struct Patterns(BTreeMap<String, Spelling>);

impl Patterns {
    fn value(&mut self, value: &str) {
        self.whole(value);
        for line in value.lines() {
            self.text(line.trim());
        }
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(value) {
            self.leaves(&json, value);
        }
    }

    fn whole(&mut self, value: &str) {
        // A file often ends with a newline that is not printed with it.
        for text in [value, value.trim()] {
            if long_enough(text) {
                self.text(text);
                self.base64(text.as_bytes());
            }
        }
    }

    /// The strings inside `json`, which was written as `text`.
    fn leaves(&mut self, json: &serde_json::Value, text: &str) {
        match json {
            // A leaf is shorter than the text around it, so this ends.
            serde_json::Value::String(leaf) if leaf.len() < text.len() => self.value(leaf),
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.leaves(item, text)),
            serde_json::Value::Object(fields) => fields.values().for_each(|field| self.leaves(field, text)),
            _ => {}
        }
    }

    /// A text as it is and as JSON and URLs write it.
    fn text(&mut self, text: &str) {
        self.add(Spelling::Plain, text);
        let escaped = serde_json::Value::from(text).to_string();
        let escaped = &escaped[1..escaped.len() - 1];
        self.add(Spelling::Escaped, escaped);
        // Go, and so Terraform, also escapes what HTML would read.
        let for_html = escaped.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        self.add(Spelling::Escaped, &for_html);
        // Python writes JSON in ASCII, and shows a text with its backslashes doubled.
        self.add(Spelling::Escaped, &in_ascii(escaped));
        self.add(Spelling::Escaped, &text.replace('\\', "\\\\"));
        // In the keys of instances, as in its code, Terraform doubles what would begin a template.
        for form in [text, escaped] {
            self.add(Spelling::Escaped, &form.replace("${", "$${").replace("%{", "%%{"));
        }
        for hex in [b"0123456789ABCDEF", b"0123456789abcdef"] {
            // Which characters stay as they are depends on the encoder: strictly none, `/` for a path, and what may
            // stand in a whole URL.
            for kept in ["", "/", ";,/?:@&=+$#!*'()"] {
                let encoded = percent_encoded(text, hex, kept);
                self.add(Spelling::Url, &encoded.replace("%20", "+"));
                self.add(Spelling::Url, &encoded);
            }
        }
    }

    fn base64(&mut self, bytes: &[u8]) {
        for alone in [&STANDARD, &URL_SAFE, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            self.add(Spelling::Base64, &alone.encode(bytes));
        }
        // `base64` and PEM break their lines at these widths.
        let encoded = STANDARD.encode(bytes);
        for width in [64, 76] {
            let mut rest = encoded.as_str();
            while rest.len() > width {
                let (line, next) = rest.split_at(width);
                self.add(Spelling::Base64, line);
                rest = next;
            }
            if rest.len() < encoded.len() {
                self.add(Spelling::Base64, rest);
            }
        }
        // Inside a longer text, such as `user:password`, three characters carry
        // two bytes, and those at both ends mix with the neighbours' bits.
        for before in 0..3 {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(bytes);
            let mixed = [0, 2, 3][before];
            let whole = shifted.len() * 8 / 6;
            for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                self.add(Spelling::Base64, &alphabet.encode(&shifted)[mixed..whole]);
            }
        }
    }

    fn add(&mut self, spelling: Spelling, pattern: &str) {
        if long_enough(pattern) {
            // What is written the same in two ways goes by the plainer one.
            let known = self.0.entry(pattern.to_owned()).or_insert(spelling);
            *known = spelling.min(*known);
        }
    }
}

fn long_enough(text: &str) -> bool {
    text.trim().chars().count() >= SHORTEST
}

/// A JSON text with everything beyond ASCII as `\uXXXX`.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

fn percent_encoded(text: &str, hex: &[u8; 16], kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(hex[usize::from(byte >> 4)]));
            encoded.push(char::from(hex[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Vec<String> {
        patterns(&SecretValue::new(value))
    }

    #[test]
    fn forms_of_other_languages_are_known() {
        let found = of("a/b \"é$x\\");
        for form in
            ["a/b%20%22%C3%A9%24x%5C", "a/b%20%22%C3%A9$x%5C", "a/b \\\"\\u00e9$x\\\\", "a/b \"é$x\\\\"]
        {
            assert!(found.iter().any(|pattern| pattern == form), "{form} is not among {found:#?}");
        }
    }

    #[test]
    fn what_would_begin_a_template_is_found_doubled() {
        assert!(of("pa${ss}word\"%{x}").iter().any(|form| form == "pa$${ss}word\\\"%%{x}"));
    }

    #[test]
    fn base64_is_found_alone_and_at_every_place_in_a_longer_text() {
        let secret = "p\u{fc}ss>w?rd~~";
        for alphabet in [&STANDARD, &URL_SAFE, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            assert!(of(secret).contains(&alphabet.encode(secret)));
            for (before, after) in [("", ":x"), ("u", ""), ("us", "xx"), ("use", "x"), ("user", "xyz")] {
                let text = alphabet.encode(format!("{before}{secret}{after}"));
                assert!(of(secret).iter().any(|pattern| text.contains(pattern.as_str())), "{text}");
            }
        }
    }

    #[test]
    fn spellings_are_of_the_whole_text_and_tell_how_it_is_written() {
        let found = spellings(&SecretValue::new("line one\nl\u{fc}ne/two\n"));
        let is = |text: &str| found.get(text).copied();
        assert_eq!(is("line one\nl\u{fc}ne/two"), Some(Spelling::Plain));
        assert_eq!(is("line one\\nl\u{fc}ne/two"), Some(Spelling::Escaped));
        assert_eq!(is("line%20one%0Al%C3%BCne%2Ftwo"), Some(Spelling::Url));
        assert_eq!(is(&STANDARD.encode("line one\nl\u{fc}ne/two\n")), Some(Spelling::Base64));
        assert_eq!(is("line one"), None);
    }

    #[test]
    fn broken_lines_of_base64_are_found() {
        let secret = "0123456789".repeat(20);
        let encoded = STANDARD.encode(&secret);
        for line in encoded.as_bytes().chunks(76).chain(encoded.as_bytes().chunks(64)) {
            assert!(of(&secret).contains(&String::from_utf8_lossy(line).into_owned()));
        }
    }

    #[test]
    fn url_and_json_forms_are_found() {
        let found = of("a b/\u{e9}\"<&");
        for form in [
            "a%20b%2F%C3%A9%22%3C%26",
            "a+b%2f%c3%a9%22%3c%26",
            "a b/\u{e9}\\\"<&",
            "a b/\u{e9}\\\"\\u003c\\u0026",
        ] {
            assert!(found.iter().any(|pattern| pattern == form), "{form} not in {found:?}");
        }
    }

    #[test]
    fn lines_and_json_strings_count_alone_but_short_ones_do_not() {
        let found = of("{\"key\": \"line one\\nab\",\n\"n\": [\"deep-leaf\", \"x\"]}\n");
        for part in ["line one", "deep-leaf", "\"n\": [\"deep-leaf\", \"x\"]}"] {
            assert!(found.iter().any(|pattern| pattern == part), "{part} not in {found:?}");
        }
        assert!(found.iter().all(|pattern| pattern.chars().count() >= SHORTEST));
        assert!(of("abc").is_empty() && of("").is_empty() && of(" \n   ab").is_empty());
    }
}
