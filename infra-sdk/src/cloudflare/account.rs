//! What names an account and a Worker: checked before they become part of a URL.

use crate::error::{Error, Result};
use crate::names::quoted;

/// Refuses what is not the id of an account.
///
/// # Errors
/// `Invalid`.
pub(super) fn check_account(id: &str) -> Result<()> {
    if id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is not the id of a Cloudflare account", quoted(id)))
        .hint("copy the 32 hexadecimal digits from the address of the account's page in the dashboard"))
}

/// Refuses what cannot be a Worker's name: 1 to 255 of `A-Z a-z 0-9 _ -`, not starting with `-`.
///
/// # Errors
/// `Invalid`.
pub(super) fn check_script(name: &str) -> Result<()> {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if fits && !name.starts_with('-') && (1..=255).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is not the name of a Worker", quoted(name)))
        .hint("use letters, digits, `_` and `-`, as in the `name` of its wrangler file"))
}

/// Words of JavaScript that cannot name a variable, and the one name that changes the object it is set on.
const RESERVED: &str = "arguments await break case catch class const continue debugger default delete do else enum eval \
    export extends false finally for function if implements import in instanceof interface let new null package private \
    protected public return static super switch this throw true try typeof var void while with yield __proto__";

/// Whether `name`, a secret's name otherwise, can be a variable of JavaScript, which the API asks of a binding's name.
pub(super) fn is_variable(name: &str) -> bool {
    !RESERVED.split_whitespace().any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_an_account_and_only_a_name_is_a_worker() {
        assert!(check_account("023e105f4ecef8ad9ca31a8372d0c353").is_ok());
        for bad in ["", "acme", "023E105F4ECEF8AD9CA31A8372D0C353", &"0".repeat(33), "../../user/tokens"] {
            assert!(check_account(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(check_script("shop-api_2").is_ok());
        for bad in ["", "-x", "a/b", "../x", "a.b", "a b", "é", "a?b", "a%2fb", &"a".repeat(256)] {
            let error = check_script(bad).unwrap_err();
            assert!(!error.hints().is_empty() && !error.to_string().contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn a_word_of_the_language_is_no_variable() {
        assert!(is_variable("API_KEY") && is_variable("_x") && is_variable("CLASS"));
        assert!(!is_variable("class") && !is_variable("__proto__"));
    }
}
