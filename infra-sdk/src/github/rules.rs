//! What GitHub refuses, known before asking.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secrets::SecretChange;

/// The longest value, 48 KB (<https://docs.github.com/en/actions/reference/security/secrets#limits-for-secrets>).
const LONGEST: usize = 48 * 1024;
/// What GitHub keeps for itself.
const RESERVED: &str = "GITHUB_";

/// The name as GitHub keeps it.
pub(super) fn key(name: &SecretName) -> String {
    name.as_str().to_ascii_uppercase()
}

/// Refuses one change that GitHub would refuse. A [`SecretName`] has only characters that GitHub takes.
pub(super) fn check(change: &SecretChange) -> Result<()> {
    SecretChange::check_batch(std::slice::from_ref(change))?;
    let SecretChange::Put { name, value, .. } = change else { return Ok(()) };
    if key(name).starts_with(RESERVED) {
        return Err(Error::invalid("GitHub keeps names that start with `GITHUB_` for itself")
            .with("secret", name)
            .hint("give the secret another name"));
    }
    if value.expose().len() > LONGEST {
        return Err(Error::invalid("GitHub takes no secret of more than 48 KB")
            .with("secret", name)
            .hint("keep the value encrypted in the repository, and its key as the secret"));
    }
    Ok(())
}

/// Refuses a batch that GitHub would refuse in the middle, or take in another sense.
pub(super) fn check_batch(changes: &[SecretChange], most: usize) -> Result<()> {
    SecretChange::check_batch(changes)?;
    let mut keys = BTreeMap::new();
    for change in changes {
        check(change)?;
        if let Some(other) = keys.insert(key(change.name()), change.name()) {
            return Err(Error::invalid("two secrets are one at GitHub, which has names in upper case only")
                .with("secret", change.name())
                .with("and", other)
                .hint("rename one of them"));
        }
    }
    let puts = changes.iter().filter(|change| matches!(change, SecretChange::Put { .. })).count();
    if puts > most {
        return Err(Error::invalid("there are more secrets than GitHub holds in one place")
            .with("secrets", puts)
            .with("most", most)
            .hint("sync fewer of them here, or keep several values in one secret"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    fn put(name: &str, value: &str) -> SecretChange {
        SecretChange::put(name.parse().unwrap(), SecretValue::new(value))
    }

    #[test]
    fn what_github_refuses_is_refused_before_asking() {
        assert!(check(&put("GITHUBX", &"x".repeat(LONGEST))).is_ok());
        let canary = format!("canary{}", "x".repeat(LONGEST));
        for bad in [put("GITHUB_TOKEN", "canary"), put("github_x", "canary"), put("A", &canary)] {
            let error = check(&bad).unwrap_err();
            assert!(!error.hints().is_empty() && !format!("{error:?}").contains("canary"));
            assert!(check_batch(&[put("OK", "x"), bad], 100).is_err());
        }
        // What is there under such a name may be removed.
        assert!(check(&SecretChange::delete("GITHUB_X".parse().unwrap())).is_ok());
        assert!(check_batch(&[put("a_b", "x"), put("A_B", "x")], 100).is_err());
        let many: Vec<_> = (0..101).map(|number| put(&format!("N{number}"), "x")).collect();
        assert!(check_batch(&many, 100).is_err() && check_batch(&many, 1000).is_ok());
    }
}
