//! What Parameter Store takes, checked before anything is sent: prefixes, names, values.
//!
//! The limits stand in <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html> and
//! <https://docs.aws.amazon.com/general/latest/gr/ssm.html>.

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::secrets::SecretChange;

/// Parameters that one page of a path holds.
pub(super) const PAGE: usize = 10;
/// Parameters that one read by name gives.
pub(super) const READ: usize = 10;
/// Parameters that one page of descriptions holds.
pub(super) const DESCRIBED: usize = 50;
/// Reads by name that are made at the same time.
pub(super) const READS_AT_ONCE: usize = 4;
/// Parameters that one request deletes.
pub(super) const DELETES: usize = 10;
/// Puts a second in one account and region, for all who put there.
pub(super) const PUTS_A_SECOND: f64 = 3.0;

/// Bytes of a standard parameter's value.
pub(super) const VALUE: usize = 4096;
/// Levels of a name, its own the last.
const LEVELS: usize = 15;
/// Characters of a name with its ARN before it.
const NAME_WITH_ARN: usize = 1011;
/// The longest that AWS puts before a name: `arn:aws-us-gov:ssm:REGION:ACCOUNT:parameter`, with room for longer regions.
const ARN: usize = 75;

/// Refuses a prefix under which AWS would take no parameter.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::invalid(format!("the prefix {} {why}", quoted(prefix)))
            .hint("write it like `/shop-api/staging/`: levels of letters, digits, `-`, `_` and `.`"))
    };
    let Some(inner) = prefix.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) else {
        return refuse("does not start and end with `/`");
    };
    let levels: Vec<&str> = inner.split('/').collect();
    if levels.iter().any(|level| level.is_empty()) {
        return refuse("has an empty level");
    }
    if levels.len() >= LEVELS {
        return refuse("has more than 14 levels; the name is the fifteenth");
    }
    if let Some(c) = prefix.chars().find(|c| !(c.is_ascii_alphanumeric() || "/-_.".contains(*c))) {
        return refuse(&format!("contains {c:?}"));
    }
    let first = inner.to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return refuse("starts with `aws` or `ssm`, which AWS keeps for itself");
    }
    if prefix.len() + ARN >= NAME_WITH_ARN {
        return refuse("leaves no room for a name");
    }
    Ok(())
}

/// Refuses a name that is too long with what AWS puts before it.
pub(super) fn check_name(full: &str) -> Result<()> {
    if full.len() + ARN <= NAME_WITH_ARN {
        return Ok(());
    }
    Err(Error::invalid("a parameter's name is too long")
        .with("parameter", full)
        .hint(format!("shorten the path: AWS takes {} characters", NAME_WITH_ARN - ARN)))
}

/// Refuses a change that AWS would refuse, or would take as something else; `full` is the parameter's name.
pub(super) fn check(full: &str, change: &SecretChange) -> Result<()> {
    let refuse = |why: String, hint: &str| Err(Error::invalid(why).with("parameter", full).hint(hint));
    if full.len() + ARN > NAME_WITH_ARN {
        return refuse("a parameter's name is too long".into(), "shorten the prefix or the secret's name");
    }
    let SecretChange::Put { value, .. } = change else { return Ok(()) };
    let value = value.expose();
    if value.len() > VALUE {
        return refuse(
            format!("a parameter takes at most {VALUE} bytes"),
            "keep it in a store of kind `secrets-manager`, which takes 65536 bytes, or make it shorter",
        );
    }
    if value.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) {
        return refuse(
            "a parameter may not hold `{{…}}`, which AWS reads as a reference".into(),
            "store it as base64, or in a store of kind `secrets-manager`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn put(value: &str) -> Result<()> {
        check("/shop/staging/A", &SecretChange::put("A".parse().unwrap(), SecretValue::new(value)))
    }

    #[test]
    fn a_prefix_starts_and_ends_with_a_slash_and_leaves_a_level_for_the_name() {
        let deep = |levels| format!("/{}", "a/".repeat(levels));
        for good in ["/a/", "/shop-api/staging/", "/a.b/_c/", "/mine-aws/", &deep(14)] {
            check_prefix(good).unwrap();
        }
        let long = format!("/{}/", "a".repeat(1000));
        let bad =
            ["", "/", "//", "a/", "/a", "/a//b/", "/a b/", "/é/", "/{env}/", "/a\n/", "/aws/", "/AWSome/"];
        for bad in bad.into_iter().chain(["/ssm/x/", "/SSM/", &deep(15), &long]) {
            let error = check_prefix(bad).unwrap_err();
            assert!(!error.hints().is_empty() && !error.to_string().contains('\n'), "{bad:?}");
        }
    }

    #[test]
    fn size_is_counted_in_bytes_and_the_way_out_is_named() {
        put(&"a".repeat(4096)).unwrap();
        put(&"é".repeat(2048)).unwrap();
        for long in ["a".repeat(4097), "é".repeat(2049)] {
            let error = put(&long).unwrap_err();
            assert!(error.hints()[0].contains("secrets-manager") && !format!("{error:?}").contains("aaaa"));
        }
    }

    #[test]
    fn what_aws_would_read_as_a_reference_is_refused() {
        for bad in ["{{}}", "a{{ssm:x}}b", "{{\n}}", "{{{x}}}"] {
            assert!(put(bad).unwrap_err().hints()[0].contains("base64"), "{bad}");
        }
        for good in ["{\"a\":{\"b\":{}}}", "}}{{", "{{", "{ {x} }"] {
            put(good).unwrap();
        }
    }

    #[test]
    fn a_name_may_be_too_long_for_its_arn() {
        let delete = SecretChange::delete("A".parse().unwrap());
        check(&format!("/{}", "a".repeat(900)), &delete).unwrap();
        assert!(check(&format!("/{}", "a".repeat(960)), &delete).is_err());
    }
}
