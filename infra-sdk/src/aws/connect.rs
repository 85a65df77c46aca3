//! One way to reach AWS: region, credentials, endpoint, TLS and time limits, put together once.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

use crate::aws::endpoint;
use crate::aws::identity::Identity;
use crate::env::{
    AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION, AWS_PROFILE, AWS_REGION, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
    Env,
};
use crate::error::{Error, Result};
use crate::names::quoted;

/// How long it may take to reach AWS at all.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one request may take, with finding credentials for it.
const REQUEST: Duration = Duration::from_secs(30);

/// A way to reach AWS in one region, for everything in this room; cheap to clone. Clones share one client a service.
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
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    config: OnceCell<SdkConfig>,
    /// One client for each service that was asked, by its type.
    clients: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
    identity: Arc<OnceCell<Identity>>,
}

#[derive(Clone)]
struct Settings {
    region: String,
    /// Whether somebody named the region, rather than the environment.
    named: bool,
    account: Option<String>,
    env: Env,
    limit: Duration,
    /// What speaks AWS's protocol elsewhere, with keys of its own.
    elsewhere: Option<Elsewhere>,
}

/// A service of somebody else's that speaks AWS's protocol; its keys are brought by who asks it.
#[derive(Clone)]
struct Elsewhere {
    address: String,
}

impl Aws {
    /// Prepares to reach AWS in `region`, else in that of `AWS_REGION` or `AWS_DEFAULT_REGION`; makes no request.
    ///
    /// `AWS_ENDPOINT_URL`, and `AWS_ENDPOINT_URL_SSM` and its like before it, stand in for AWS's own addresses.
    ///
    /// # Errors
    /// `Invalid` without a region, or with one that cannot be one.
    pub fn connect(env: &Env, region: Option<&str>) -> Result<Self> {
        let from_env = || env.get(AWS_REGION).or_else(|| env.get(AWS_DEFAULT_REGION));
        let Some(wanted) = region.or_else(from_env) else {
            return Err(Error::invalid("no region of AWS is chosen").hint(
                "set AWS_REGION, to `eu-central-1` for example, or `region` of the environment in infra.toml",
            ));
        };
        Ok(Self::with(Settings {
            region: checked(wanted)?,
            named: region.is_some(),
            account: None,
            env: env.clone(),
            limit: REQUEST,
            elsewhere: None,
        }))
    }

    /// Prepares to reach what speaks AWS's protocol at another address, such as R2, without keys of AWS's: what asks it
    /// brings its own. Makes no request.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a region, and for an address that nothing secret can be sent to.
    pub fn elsewhere(env: &Env, address: &str, region: &str) -> Result<Self> {
        if !endpoint::is_private(address) {
            return Err(Error::invalid("an address that stands in for AWS's is not one to send secrets to")
                .with("address", if address.contains('@') { "[hidden]".into() } else { quoted(address) })
                .hint("write it like `https://host:port`; plain `http` reaches this machine only"));
        }
        Ok(Self::with(Settings {
            region: checked(region)?,
            named: false,
            account: None,
            env: env.clone(),
            limit: REQUEST,
            elsewhere: Some(Elsewhere { address: address.to_owned() }),
        }))
    }

    fn with(settings: Settings) -> Self {
        Self::of(settings, Arc::default())
    }

    fn of(settings: Settings, identity: Arc<OnceCell<Identity>>) -> Self {
        let config = OnceCell::new();
        Aws { shared: Arc::new(Shared { settings, config, clients: Mutex::default(), identity }) }
    }

    /// Gives up on a request after `limit`; default: 30 seconds.
    #[must_use]
    pub fn with_time_limit(self, limit: Duration) -> Self {
        Self::with(Settings { limit, ..self.shared.settings.clone() })
    }

    /// Reads and writes only what is of this account: [`before_read`](Aws::before_read) and
    /// [`before_write`](Aws::before_write) compare it with whose credentials are used.
    ///
    /// # Errors
    /// `Invalid` when it is not an account's 12 digits.
    pub fn for_account(self, account: &str) -> Result<Self> {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::invalid(format!("{} is not an account of AWS", quoted(account)))
                .hint("write its 12 digits, as `aws sts get-caller-identity` shows them"));
        }
        Ok(Self::with(Settings { account: Some(account.to_owned()), ..self.shared.settings.clone() }))
    }

    /// The same account and credentials in another region.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a region.
    pub fn in_region(&self, region: &str) -> Result<Self> {
        // What AWS_REGION says is about the first region, not this one.
        let settings = Settings { region: checked(region)?, named: false, ..self.shared.settings.clone() };
        // Whose credentials they are is the same everywhere.
        Ok(Self::of(settings, self.shared.identity.clone()))
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.shared.settings.region
    }

    /// The account that infra.toml or [`for_account`](Aws::for_account) names.
    pub fn account(&self) -> Option<&str> {
        self.shared.settings.account.as_deref()
    }

    pub(super) fn env(&self) -> &Env {
        &self.shared.settings.env
    }

    /// The region somebody named.
    pub(super) fn named_region(&self) -> Option<&str> {
        self.shared.settings.named.then(|| self.region())
    }

    pub(super) fn known_identity(&self) -> &OnceCell<Identity> {
        &self.shared.identity
    }

    /// The address that stands in for a service's own; `service` as it stands at the end of the variable's name.
    pub(super) fn endpoint(&self, service: &str) -> Result<Option<String>> {
        match &self.shared.settings.elsewhere {
            Some(elsewhere) => Ok(Some(elsewhere.address.clone())),
            None => endpoint::of(self.env(), service),
        }
    }

    /// The client of one service, made with the first request and shared by all that ask for its type. `make` gets what
    /// clients are made from, and the address that stands in for the service's own.
    ///
    /// # Errors
    /// `Invalid` for an address that nothing secret can be sent to.
    pub(super) async fn client<C: Clone + Send + 'static>(
        &self,
        service: &str,
        make: impl FnOnce(&SdkConfig, Option<String>) -> C,
    ) -> Result<C> {
        let key = TypeId::of::<C>();
        let known = |clients: &HashMap<TypeId, Box<dyn Any + Send>>| {
            clients.get(&key).and_then(|client| client.downcast_ref::<C>()).cloned()
        };
        let endpoint = self.endpoint(service)?;
        let config = self.shared.config.get_or_init(|| self.load()).await;
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known(&clients) {
            return Ok(client);
        }
        let client = make(config, endpoint);
        clients.insert(key, Box::new(client.clone()));
        Ok(client)
    }

    async fn load(&self) -> SdkConfig {
        let Settings { region, limit, env, elsewhere, .. } = &self.shared.settings;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let limits = TimeoutConfig::builder().connect_timeout(CONNECT.min(*limit)).operation_timeout(*limit);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            .http_client(http)
            .timeout_config(limits.build())
            .retry_config(RetryConfig::disabled())
            // One limit of time is enough, and its error is easier to understand.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Ok(name) = AppName::new("infra-sdk") {
            loader = loader.app_name(name);
        }
        // A profile, and every other place of keys, is about AWS.
        if elsewhere.is_some() {
            return loader.no_credentials().load().await;
        }
        if let Some(profile) = env.get(AWS_PROFILE) {
            loader = loader.profile_name(profile);
        }
        if let Some(keys) = self.keys() {
            loader = loader.credentials_provider(keys);
        }
        loader.load().await
    }

    /// The credentials that stand in the environment: the first place AWS's SDK looks at, too.
    fn keys(&self) -> Option<Credentials> {
        let env = self.env();
        let (id, secret) = (env.get(AWS_ACCESS_KEY_ID)?, env.get(AWS_SECRET_ACCESS_KEY)?);
        let session = env.get(AWS_SESSION_TOKEN).map(str::to_owned);
        Some(Credentials::new(id, secret, session, None, "Environment"))
    }
}

/// A region as AWS writes them.
fn checked(region: &str) -> Result<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || region.len() > 63 || !region.chars().all(allowed) {
        return Err(Error::invalid(format!("{} is not a region of AWS", quoted(region)))
            .hint("write it like `eu-central-1`"));
    }
    Ok(region.to_owned())
}

/// Not derived: the environment holds keys.
impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("region", &self.region()).finish_non_exhaustive()
    }
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
            assert!(connect(&[(AWS_REGION, "a-1")]).unwrap().in_region(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_twelve_digits_is_no_account() {
        let aws = || connect(&[(AWS_REGION, "a-1")]).unwrap();
        let named = aws().for_account("123456789012").unwrap();
        assert_eq!(named.in_region("b-2").unwrap().account(), Some("123456789012"), "it goes along");
        for bad in ["", "12345678901", "1234567890123", "12345678901a"] {
            assert!(!aws().for_account(bad).unwrap_err().hints().is_empty(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_service_has_one_client_for_all_that_ask() {
        let aws = connect(&[(AWS_REGION, "a-1"), (AWS_ACCESS_KEY_ID, "x"), (AWS_SECRET_ACCESS_KEY, "y")]);
        let aws = aws.unwrap();
        let first = aws.client("SSM", |_, _| Arc::new(1)).await.unwrap();
        let second = aws.clone().client("SSM", |_, _| Arc::new(2)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn nothing_shows_the_keys() {
        let keys = [(AWS_REGION, "r"), (AWS_ACCESS_KEY_ID, "canary"), (AWS_SECRET_ACCESS_KEY, "canary")];
        let aws = connect(&keys).unwrap();
        assert!(aws.keys().is_some() && !format!("{aws:?}").contains("canary"));
        let aws = Aws::elsewhere(aws.env(), "https://r2", "auto").unwrap();
        assert!(aws.endpoint("S3").unwrap().is_some() && !format!("{aws:?}").contains("canary"));
        let open = Aws::elsewhere(aws.env(), "http://r2.example", "auto");
        assert!(!open.unwrap_err().hints().is_empty());
    }

    #[tokio::test]
    async fn no_keys_of_aws_go_elsewhere() {
        let keys = [(AWS_REGION, "r"), (AWS_ACCESS_KEY_ID, "canary"), (AWS_SECRET_ACCESS_KEY, "canary")];
        let aws = Aws::elsewhere(&Env::of(keys, "/"), "https://r2", "auto").unwrap();
        assert!(aws.load().await.credentials_provider().is_none());
    }
}
