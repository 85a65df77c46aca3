//! Where a store's secrets are in AWS: the prefix of their names, and the key that encrypts them.

use std::time::SystemTime;

use crate::aws::connect::Aws;
use crate::error::{Error, Result};
use crate::names::{SecretName, quoted};
use crate::secrets::{Stamp, StoredSecret};
use crate::time::Timestamp;

/// The longest identifier of a KMS key that both services take
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>).
const KMS_KEY: usize = 256;

/// A prefix, checked by its service's rules, and what encrypts below it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) prefix: String,
    pub(super) kms_key: Option<String>,
}

impl Place {
    /// Keeps a prefix that was checked; checks the key.
    pub(super) fn new(prefix: &str, kms_key: Option<String>) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
        if let Some(key) = &kms_key
            && (key.is_empty() || key.len() > KMS_KEY || !key.chars().all(allowed))
        {
            return Err(Error::invalid(format!("{} is not a KMS key", quoted(key)))
                .hint("give its id, its ARN, or an alias such as `alias/shop`"));
        }
        Ok(Place { prefix: prefix.to_owned(), kms_key })
    }

    /// What AWS calls a secret of ours.
    pub(super) fn full(&self, name: &SecretName) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The secret of ours that AWS calls `full`; `None` if it is somebody else's.
    pub(super) fn secret(&self, full: &str) -> Option<SecretName> {
        SecretName::new(full.strip_prefix(&self.prefix)?).ok()
    }
}

impl Aws {
    /// What tells this place from others: the region, and the host where another address stands in for AWS's own.
    pub(super) fn place(&self, service: &str) -> Result<String> {
        let Some(url) = self.endpoint(service)? else { return Ok(self.region().to_owned()) };
        let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        Ok(format!("{}:{}", host.to_ascii_lowercase(), self.region()))
    }
}

/// A secret as a list shows it. A time that is out of range is no time.
pub(super) fn stored(
    name: SecretName,
    stamp: Option<Stamp>,
    changed: Option<impl TryInto<SystemTime>>,
) -> StoredSecret {
    let updated = changed.and_then(|time| time.try_into().ok()).map(Timestamp::from);
    StoredSecret { name, stamp, updated }
}

/// Lists are sorted, and each name is there once, however the pages came.
pub(super) fn sorted(mut secrets: Vec<StoredSecret>) -> Vec<StoredSecret> {
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    secrets.dedup_by(|a, b| a.name == b.name);
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_right_below_the_prefix_are_ours() {
        let place = Place::new("/shop/staging/", None).unwrap();
        let name = SecretName::new("TOKEN").unwrap();
        assert_eq!(place.full(&name), "/shop/staging/TOKEN");
        assert_eq!(place.secret("/shop/staging/TOKEN"), Some(name));
        for other in ["/shop/staging/", "/shop/staging/a/B", "/shop/staging/a-b", "/shop/TOKEN", "TOKEN"] {
            assert_eq!(place.secret(other), None, "{other}");
        }
    }

    #[test]
    fn what_can_not_be_a_kms_key_is_refused() {
        for good in ["alias/shop", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab", "1234abcd"] {
            Place::new("p/", Some(good.into())).unwrap();
        }
        for bad in ["", "a b", "a\nb", &"a".repeat(257)] {
            assert!(!Place::new("p/", Some(bad.into())).unwrap_err().hints().is_empty());
        }
    }
}
