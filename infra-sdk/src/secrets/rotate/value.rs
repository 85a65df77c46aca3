//! A new value that a command printed.

use crate::error::{Error, Result};
use crate::secret::SecretValue;

/// The value in what a command wrote to its standard output: UTF-8 text, without the newline at its end.
///
/// One `\n` or `\r\n` is taken off; what stands before it stays, also further newlines. Whether the value has the form
/// its secret asks for is checked elsewhere.
///
/// ```
/// # fn main() -> infra_sdk::Result<()> {
/// let value = infra_sdk::secrets::value_from_output(b"hunter2\n".to_vec())?;
/// assert_eq!(value.expose(), "hunter2");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` when it is empty, not UTF-8 or has a NUL byte. The error shows nothing of it.
pub fn value_from_output(output: Vec<u8>) -> Result<SecretValue> {
    let refuse = |why: &str, hint: &str| {
        Err(Error::invalid(format!("the command printed a value that {why}")).hint(hint))
    };
    let Ok(mut text) = String::from_utf8(output) else {
        return refuse("is not UTF-8 text", "let the command print it as base64");
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    // Wrapped before it is judged, so that it is wiped also when it is refused.
    let value = SecretValue::new(text);
    if value.expose().trim().is_empty() {
        return refuse(
            "is empty",
            "let the command print the new value, and nothing else, to standard output",
        );
    }
    if value.expose().contains('\0') {
        return refuse("has a NUL byte", "let the command print it as base64");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_taken_off_and_nothing_else() {
        for (printed, value) in
            [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), (" x \n", " x "), ("a\nb\n", "a\nb")]
        {
            assert_eq!(value_from_output(printed.as_bytes().to_vec()).unwrap().expose(), value);
        }
    }

    #[test]
    fn what_is_no_value_is_refused_without_a_word_of_it() {
        for bad in [&b""[..], b"\n", b"\r\n", b"  \n", b"canary\0", b"canary\xff"] {
            let error = value_from_output(bad.to_vec()).unwrap_err();
            assert!(!format!("{error:?}").contains("canary") && !error.hints().is_empty());
        }
    }
}
