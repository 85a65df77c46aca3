//! The forms that are one run of text: JSON, base64, whole numbers.

use serde::de::IgnoredAny;

use super::check::Flaw;

pub(super) fn empty() -> Flaw {
    Flaw::new("empty", "put the value in")
}

pub(super) fn json_flaw(value: &str) -> Option<Flaw> {
    if value.trim().is_empty() {
        return Some(empty());
    }
    let error = serde_json::from_str::<IgnoredAny>(value).err()?;
    let what = if error.is_eof() { "the JSON ends too early" } else { "not JSON" };
    let hint = "check it with a JSON parser; in `.env` put it between single quotes";
    Some(Flaw::new(what, hint).at_place(error.line(), error.column()))
}

pub(super) fn base64_flaw(value: &str) -> Option<Flaw> {
    base64_at(value, 0, value.len())
}

/// Looks at one part of a value; places are of the whole value.
pub(super) fn base64_at(value: &str, from: usize, to: usize) -> Option<Flaw> {
    let flaw = |what, byte| Some(Flaw::new(what, "encode the bytes again, as base64").at(value, byte));
    // Four digits are three bytes.
    let (mut digits, mut padding) = (0_usize, 0_usize);
    let (mut first_padding, mut last) = (from, from);
    let (mut standard, mut url_safe) = (false, false);
    for (at, c) in value[from..to].char_indices().map(|(at, c)| (from + at, c)) {
        match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            '=' => {
                first_padding = if padding == 0 { at } else { first_padding };
                padding += 1;
            }
            _ if !(c.is_ascii_alphanumeric() || "+/-_".contains(c)) => return flaw("not base64", at),
            _ if padding > 0 => return flaw("text behind the padding", at),
            _ => digits += 1,
        }
        standard |= "+/".contains(c);
        url_safe |= "-_".contains(c);
        if standard && url_safe {
            return flaw("the two alphabets of base64 are mixed", at);
        }
        last = at + c.len_utf8();
    }
    match (digits, padding) {
        (0, 0) => Some(empty()),
        (_, 0) if digits % 4 == 1 => flaw("the base64 is cut off", last),
        (_, 1..) if padding > 2 || digits % 4 < 2 || (digits + padding) % 4 != 0 => {
            flaw("the padding is wrong", first_padding)
        }
        _ => None,
    }
}

pub(super) fn integer_flaw(value: &str) -> Option<Flaw> {
    let hint = "write digits only, with a sign before them if need be";
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    if value.is_empty() {
        return Some(empty());
    }
    if digits.is_empty() {
        return Some(Flaw::new("no digits", hint).at(value, value.len()));
    }
    let at = digits.find(|c: char| !c.is_ascii_digit())?;
    Some(Flaw::new("not a digit", hint).at(value, value.len() - digits.len() + at))
}
