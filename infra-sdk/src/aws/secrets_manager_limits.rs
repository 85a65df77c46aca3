//! What Secrets Manager takes, checked before anything is sent: prefixes, names, values, tokens.
//!
//! The limits stand in <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html> and
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>.

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::secrets::SecretChange;

/// Secrets that one page of a list holds.
pub(super) const PAGE: usize = 100;
/// Values that one request gives.
pub(super) const READ: usize = 20;
/// Reads that are made at the same time.
pub(super) const READS_AT_ONCE: usize = 4;
/// Writes a second: a little under the 50 that an account and region have for all puts.
pub(super) const PUTS_A_SECOND: f64 = 40.0;
/// Days until a deleted secret is gone for good; AWS takes 7 to 30.
pub(super) const RECOVERY_DAYS: i64 = 30;

/// Bytes of a value.
const VALUE: usize = 65_536;
/// Characters of a name.
const NAME: usize = 512;

/// Refuses a prefix under which AWS would take no secret, or which is no prefix at all.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::invalid(format!("the prefix {} {why}", quoted(prefix)))
            .hint("write it like `shop-api/staging/`: letters, digits and `/_+=.@-`"))
    };
    if prefix.is_empty() {
        return refuse("is empty, and would make every secret of the account one of ours");
    }
    if let Some(c) = prefix.chars().find(|c| !(c.is_ascii_alphanumeric() || "/_+=.@-".contains(*c))) {
        return refuse(&format!("contains {c:?}"));
    }
    if prefix.len() >= NAME {
        return refuse("leaves no room for a name");
    }
    Ok(())
}

/// Refuses a change that AWS would refuse, or would mistake; `full` is what AWS calls the secret.
pub(super) fn check(full: &str, change: &SecretChange) -> Result<()> {
    let refuse = |why: String, hint: &str| Err(Error::invalid(why).with("secret", full).hint(hint));
    if full.len() > NAME {
        return refuse(
            format!("a name in Secrets Manager has at most {NAME} characters"),
            "shorten the prefix or the secret's name",
        );
    }
    // An ARN ends with a hyphen and six characters that AWS chose; such a name is mistaken for one.
    if full.len() > 7 && full.as_bytes()[full.len() - 7] == b'-' {
        return refuse(
            "a name in Secrets Manager may not end with a hyphen and six characters".into(),
            "end the prefix with `/`",
        );
    }
    let SecretChange::Put { value, token, .. } = change else { return Ok(()) };
    if value.expose().len() > VALUE {
        return refuse(
            format!("a secret takes at most {VALUE} bytes"),
            "keep it in a file or bucket, and its key in the secret",
        );
    }
    let fits = |token: &String| {
        (32..=64).contains(&token.len()) && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if !token.as_ref().is_none_or(fits) {
        return refuse(
            "the token of a change is not one that can name a version".into(),
            "make it of 32 hexadecimal digits, or leave it out",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn put(value: &str, token: Option<&str>) -> Result<()> {
        let value = SecretValue::new(value);
        let change = SecretChange::Put { name: "A".parse().unwrap(), value, token: token.map(str::to_owned) };
        check("shop/staging/A", &change)
    }

    #[test]
    fn a_prefix_has_only_what_names_may_have() {
        for good in ["shop-api/staging/", "a", "/x/", "a+b=c.d@e_", &"a".repeat(400)] {
            check_prefix(good).unwrap();
        }
        for bad in ["", "a b", "é/", "{env}/", "a\n", "!a", &"a".repeat(512)] {
            let error = check_prefix(bad).unwrap_err();
            assert!(!error.hints().is_empty() && !error.to_string().contains('\n'), "{bad:?}");
        }
    }

    #[test]
    fn a_name_that_would_be_mistaken_for_an_arn_is_refused() {
        let delete = SecretChange::delete("A".parse().unwrap());
        assert!(check("shop-ABCDEF", &delete).unwrap_err().hints()[0].contains('/'));
        for good in ["shop/ABCDEF", "shop-ABCDE", "shop-ABCDEFG", "shop-staging/ABCDEF"] {
            check(good, &delete).unwrap();
        }
        assert!(check(&"a".repeat(513), &delete).is_err());
    }

    #[test]
    fn size_is_counted_in_bytes() {
        put(&"a".repeat(65_536), None).unwrap();
        put(&"é".repeat(32_768), None).unwrap();
        let error = put(&"é".repeat(32_769), None).unwrap_err();
        assert!(!format!("{error:?}").contains("éé"));
    }

    #[test]
    fn a_token_must_be_able_to_name_a_version() {
        put("x", Some(&"0a".repeat(16))).unwrap();
        for bad in ["", "short", &"a".repeat(65), &"ä".repeat(20), &format!("{} ", "a".repeat(32))] {
            assert!(put("x", Some(bad)).is_err(), "{bad:?}");
        }
    }
}
