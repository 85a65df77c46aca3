//! One way to reach AWS: region, credentials, endpoint, TLS and time limits, put together once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

use crate::env::{
    AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS,
    AWS_PROFILE, AWS_REGION, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, Env,
};
use crate::error::{Error, Result};
use crate::names::quoted;

/// How long it may take to reach AWS at all.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one request may take, with finding credentials for it.
const REQUEST: Duration = Duration::from_secs(30);

/// A way to reach AWS in one region, for everything in this room; cheap to clone.
///
/// Credentials are looked for with the first request: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of the [`Env`],
/// and without them wherever AWS's own SDK looks: the profiles in `~/.aws` (with `aws sso login` and credential
/// processes), a web identity such as that of a GitHub workflow, the container or the machine. The SDK reads the
/// process's own environment for that.
///
/// Each request is made once: the SDK's own retries are off, for whoever asks also sees to the pace. Proxies of the
/// environment are not used.
///
/// ```
/// use infra_sdk::{Env, aws::Aws};
/// let env = Env::of([("AWS_REGION", "eu-central-1")], "/srv/shop");
/// assert_eq!(Aws::connect(&env, None)?.region(), "eu-central-1");
/// assert_eq!(Aws::connect(&env, Some("us-east-1"))?.region(), "us-east-1");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone)]
pub struct Aws {
    region: String,
    env: Arc<Env>,
    limit: Duration,
    config: Arc<OnceCell<SdkConfig>>,
}

impl Aws {
    /// Prepares to reach AWS in `region`, else in that of `AWS_REGION` or `AWS_DEFAULT_REGION`; makes no request.
    ///
    /// `AWS_ENDPOINT_URL`, and `AWS_ENDPOINT_URL_SSM` and `AWS_ENDPOINT_URL_SECRETS_MANAGER` before it, stand in for
    /// AWS's own addresses.
    ///
    /// # Errors
    /// `Invalid` without a region, or with one that cannot be one.
    pub fn connect(env: &Env, region: Option<&str>) -> Result<Self> {
        let region = region.or_else(|| env.get(AWS_REGION)).or_else(|| env.get(AWS_DEFAULT_REGION));
        let Some(region) = region else {
            return Err(Error::invalid("no region of AWS is chosen")
                .hint("set AWS_REGION, to `eu-central-1` for example"));
        };
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || region.len() > 63 || !region.chars().all(allowed) {
            return Err(Error::invalid(format!("{} is not a region of AWS", quoted(region)))
                .hint("write it like `eu-central-1`"));
        }
        Ok(Aws {
            region: region.to_owned(),
            env: Arc::new(env.clone()),
            limit: REQUEST,
            config: Arc::new(OnceCell::new()),
        })
    }

    /// Gives up on a request after `limit`; default: 30 seconds.
    #[must_use]
    pub fn with_time_limit(self, limit: Duration) -> Self {
        Aws { limit, config: Arc::new(OnceCell::new()), ..self }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What tells this place from others: the region, and the host where another address stands in for AWS's own.
    pub(super) fn place(&self, service: &str) -> Result<String> {
        let Some(url) = self.endpoint(service)? else { return Ok(self.region.clone()) };
        let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        Ok(format!("{}:{}", host.to_ascii_lowercase(), self.region))
    }

    /// The address that stands in for a service's own; `service` as it stands at the end of the variable's name.
    ///
    /// The order is AWS's: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>. Addresses in
    /// AWS's own files come after these, and the SDK reads them.
    pub(super) fn endpoint(&self, service: &str) -> Result<Option<String>> {
        if self.env.flag(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS) {
            return Ok(None);
        }
        let own = format!("{AWS_ENDPOINT_URL}_{service}");
        let names = [own.as_str(), AWS_ENDPOINT_URL];
        let Some((name, url)) = names.iter().find_map(|name| Some((*name, self.env.get(name)?))) else {
            return Ok(None);
        };
        if !is_private(url) {
            return Err(Error::invalid(format!("the address in {name} is not one to send secrets to"))
                .with("address", if url.contains('@') { "[hidden]".into() } else { quoted(url) })
                .hint("write it like `https://host:port`; plain `http` reaches this machine only"));
        }
        Ok(Some(url.to_owned()))
    }

    /// What clients are made from, put together with the first request.
    pub(super) async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(|| self.load()).await
    }

    async fn load(&self) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let limits =
            TimeoutConfig::builder().connect_timeout(CONNECT.min(self.limit)).operation_timeout(self.limit);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            .http_client(http)
            .timeout_config(limits.build())
            .retry_config(RetryConfig::disabled())
            // One limit of time is enough, and its error is easier to understand.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Ok(name) = AppName::new("infra-sdk") {
            loader = loader.app_name(name);
        }
        if let Some(profile) = self.env.get(AWS_PROFILE) {
            loader = loader.profile_name(profile);
        }
        if let Some(keys) = self.keys() {
            loader = loader.credentials_provider(keys);
        }
        loader.load().await
    }

    /// The credentials that stand in the environment: the first place AWS's SDK looks at, too.
    fn keys(&self) -> Option<Credentials> {
        let (id, secret) = (self.env.get(AWS_ACCESS_KEY_ID)?, self.env.get(AWS_SECRET_ACCESS_KEY)?);
        let session = self.env.get(AWS_SESSION_TOKEN).map(str::to_owned);
        Some(Credentials::new(id, secret, session, None, "Environment"))
    }
}

/// Not derived: the environment holds keys.
impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Whether what is sent to `url` can be read on the way by nobody: it is encrypted, or stays on this machine.
fn is_private(url: &str) -> bool {
    let (plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    !host.is_empty() && !authority.contains('@') && (!plain || local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(vars: &[(&str, &str)]) -> Result<Aws> {
        Aws::connect(&Env::of(vars.iter().copied(), "/"), None)
    }

    #[test]
    fn a_missing_or_impossible_region_is_refused_with_the_cure() {
        assert!(connect(&[]).unwrap_err().hints()[0].contains("AWS_REGION"));
        assert_eq!(connect(&[(AWS_DEFAULT_REGION, "a-1")]).unwrap().region(), "a-1");
        assert_eq!(connect(&[(AWS_DEFAULT_REGION, "a-1"), (AWS_REGION, "b-2")]).unwrap().region(), "b-2");
        for bad in ["EU", "eu central", "eu.evil.example", "eu\n", &"a".repeat(64)] {
            assert!(connect(&[(AWS_REGION, bad)]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_address_of_one_service_goes_before_that_of_all() {
        let both =
            [(AWS_REGION, "r"), (AWS_ENDPOINT_URL, "https://all"), ("AWS_ENDPOINT_URL_SSM", "https://ssm")];
        let aws = connect(&both).unwrap();
        assert_eq!(aws.endpoint("SSM").unwrap().unwrap(), "https://ssm");
        assert_eq!(aws.endpoint("SECRETS_MANAGER").unwrap().unwrap(), "https://all");
        let ignored = [both.as_slice(), &[(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, "true")]].concat();
        assert_eq!(connect(&ignored).unwrap().endpoint("SSM").unwrap(), None);
    }

    #[test]
    fn plain_http_reaches_this_machine_only() {
        for good in
            ["http://127.0.0.1:5000", "http://localhost:1/x", "http://[::1]:80", "https://vpce-1.example"]
        {
            assert!(is_private(good), "{good}");
        }
        let user = "http://canary@127.0.0.1:1";
        for bad in
            ["", "http://", "https://", "ftp://localhost", "http://10.0.0.1", "http://localhost.evil", user]
        {
            let aws = connect(&[(AWS_REGION, "r"), (AWS_ENDPOINT_URL, bad)]).unwrap();
            match aws.endpoint("SSM") {
                Ok(endpoint) => assert!(bad.is_empty() && endpoint.is_none(), "{bad}"),
                Err(error) => assert!(!format!("{error:?}").contains("canary") && !error.hints().is_empty()),
            }
        }
    }

    #[test]
    fn nothing_shows_the_keys() {
        let keys = [(AWS_REGION, "r"), (AWS_ACCESS_KEY_ID, "canary"), (AWS_SECRET_ACCESS_KEY, "canary")];
        let aws = connect(&keys).unwrap();
        assert!(aws.keys().is_some() && !format!("{aws:?}").contains("canary"));
    }
}
