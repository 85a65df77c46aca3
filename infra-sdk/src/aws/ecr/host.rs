//! The host names of ECR's registries.

use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;

/// What ECR's host names end in, by partition; the last is that of addresses for both versions of the protocol
/// (<https://docs.aws.amazon.com/general/latest/gr/ecr.html>).
const SUFFIXES: [&str; 4] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws"];

/// What stands between account and region.
const SERVICES: [&str; 4] = ["dkr.ecr", "dkr.ecr-fips", "dkr-ecr", "dkr-ecr-fips"];

/// The registry of one account in one region: `123456789012.dkr.ecr.eu-central-1.amazonaws.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EcrHost {
    pub(super) account: String,
    pub(super) region: String,
    service: &'static str,
    suffix: &'static str,
}

impl EcrHost {
    /// Reads a host name; `None` if it is not one of ECR.
    pub(super) fn parse(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        let (service, rest) = SERVICES
            .iter()
            .find_map(|service| Some((*service, rest.strip_prefix(service)?.strip_prefix('.')?)))?;
        let (region, suffix) = rest.split_once('.')?;
        let suffix = SUFFIXES.iter().find(|known| **known == suffix)?;
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_region = !region.is_empty() && region.bytes().all(word);
        (is_account && is_region).then(|| EcrHost {
            account: account.into(),
            region: region.into(),
            service,
            suffix,
        })
    }

    /// The registry of an account, in the partition of its region.
    pub(super) fn usual(account: &str, region: &str) -> Self {
        let suffix = match region.split('-').next() {
            Some("cn") => "amazonaws.com.cn",
            Some("eusc") => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        EcrHost { account: account.into(), region: region.into(), service: "dkr.ecr", suffix }
    }

    /// The registry that a token's `proxyEndpoint` names.
    pub(super) fn of_endpoint(endpoint: &str, region: &str) -> Result<Self> {
        let host = endpoint.strip_prefix("https://").map(|host| host.trim_end_matches('/'));
        host.and_then(Self::parse).filter(|host| host.region == region).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "the token for the registry is not for one of ECR in this region")
                .with("registry", quoted(endpoint))
                .with("region", region)
                .hint("check that AWS_ENDPOINT_URL leads to AWS; nothing was sent to that registry")
        })
    }

    /// The same registry of another account.
    pub(super) fn of_account(self, account: &str) -> Self {
        EcrHost { account: account.into(), ..self }
    }

    /// The same account's registry in another region.
    pub(super) fn in_region(&self, region: &str) -> Self {
        EcrHost { region: region.into(), ..self.clone() }
    }
}

impl std::fmt::Display for EcrHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let EcrHost { account, region, service, suffix } = self;
        write!(f, "{account}.{service}.{region}.{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registries_of_every_partition_are_known_and_nothing_else_is() {
        for good in [
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
            "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "123456789012.dkr-ecr.eu-central-1.on.aws",
        ] {
            assert_eq!(EcrHost::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "ghcr.io",
            "127.0.0.1",
            "12345678901.dkr.ecr.eu-central-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.eu-central-1.evil.example",
            "123456789012.dkr.ecr..amazonaws.com",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com:5000",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com/x",
        ] {
            assert_eq!(EcrHost::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_for_elsewhere_is_refused() {
        let endpoint = "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com";
        let host = EcrHost::of_endpoint(endpoint, "eu-central-1").unwrap();
        assert_eq!(host.of_account("210987654321").in_region("eu-west-1").account, "210987654321");
        for (endpoint, region) in [
            (endpoint, "us-east-1"),
            ("http://123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"),
            ("https://evil.example", "eu-central-1"),
            ("https://user@123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"),
        ] {
            let error = EcrHost::of_endpoint(endpoint, region).unwrap_err();
            assert!(error.kind() == ErrorKind::Invalid && !error.hints().is_empty(), "{endpoint}");
        }
    }
}
