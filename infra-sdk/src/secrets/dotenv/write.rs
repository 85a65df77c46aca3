//! Writing `.env` so that every common program reads the same values back.

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;

/// Writes `NAME=value` lines in the given order, each in the plainest form that all common programs read alike.
///
/// ```
/// use infra_sdk::SecretValue;
/// use infra_sdk::secrets::write_dotenv;
/// # fn main() -> infra_sdk::Result<()> {
/// let name = "PASSWORD".parse()?;
/// let text = write_dotenv([(&name, &SecretValue::new("a $b"))])?;
/// assert_eq!(text.expose(), "PASSWORD='a $b'\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid`, naming the variable, when its value has no form that all programs read alike.
pub fn write_dotenv<'a>(
    pairs: impl IntoIterator<Item = (&'a SecretName, &'a SecretValue)>,
) -> Result<SecretValue> {
    let mut text = String::new();
    for (name, value) in pairs {
        let quote = quote(name, value, true)?;
        text.extend([name.as_str(), "=", quote, value.expose(), quote, "\n"]);
    }
    Ok(SecretValue::new(text))
}

/// The quote a value needs on both sides; empty when it needs none and `bare` allows that.
///
/// # Errors
/// As [`write_dotenv`].
pub(super) fn quote(name: &SecretName, value: &SecretValue, bare: bool) -> Result<&'static str> {
    let forms = forms(value.expose());
    forms.into_iter().flatten().find(|quote| bare || !quote.is_empty()).ok_or_else(|| {
        Error::invalid("a value has no form in `.env` that all programs read alike")
            .with("secret", name)
            .hint("store it as base64, or give it only the quotes, backslashes and `$` of one kind")
    })
}

/// The forms of a value that all programs read alike, plainest first: each by the quote on both sides.
fn forms(value: &str) -> [Option<&'static str>; 3] {
    // A carriage return before a line feed is taken for a line end, and a NUL cannot be in an environment.
    if value.contains(['\0', '\r']) {
        return [None; 3];
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    let bare = !value.is_empty() && value.chars().all(plain);
    // python-dotenv puts variables in for `${…}` between single quotes too.
    let variable = value.find("${").is_some_and(|at| value[at..].contains('}'));
    let single = !value.contains('\'') && !value.contains("\\\\") && !value.ends_with('\\') && !variable;
    let double = !value.contains(['$', '`', '"', '\\']);
    [bare.then_some(""), single.then_some("'"), double.then_some("\"")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::dotenv::parse;

    fn written(value: &str) -> Result<SecretValue> {
        write_dotenv([(&SecretName::new("A").unwrap(), &SecretValue::new(value))])
    }

    #[test]
    fn every_value_that_can_be_written_is_read_back_the_same() {
        let values = [
            "",
            "x",
            "a b",
            " a ",
            "#a",
            "a#b",
            "a #b",
            "it's",
            "l1\nl2\n",
            "\n",
            "$2a$10$x",
            "`x`",
            "C:\\dir",
            "\"q\"",
            "{\"k\": \"v\"}",
            "é密🔑",
            "=",
            "it's\nx",
            "\t",
            "a\\nb",
        ];
        for value in values {
            let text = written(value).unwrap();
            let pairs = parse(text.expose()).unwrap();
            assert_eq!(pairs[0].value.expose(), value, "{}", text.expose());
        }
        assert_eq!(written("YWJj+/==").unwrap().expose(), "A=YWJj+/==\n");
    }

    #[test]
    fn a_value_without_a_common_form_is_named_and_not_shown() {
        for value in ["it's $x", "it's \"x\"", "canary's\\", "a\\\\b'", "x'\\", "a\rb", "a\0b", "${canary}"] {
            let error = written(value).unwrap_err();
            assert!(error.to_string().contains("(secret: A)"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert!(written("a\\").is_err() && written("a\\\\b").is_err());
    }
}
