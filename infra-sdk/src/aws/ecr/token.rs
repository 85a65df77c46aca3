//! The token that ECR's registries take for a password: asked for, decoded, kept until shortly before it expires.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_ecr::types::AuthorizationData;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Mutex;

use crate::aws::ecr::client::{client, fault, repeated};
use crate::aws::ecr::host::EcrHost;
use crate::aws::ecr::place::Ecr;
use crate::aws::endpoint::is_loopback;
use crate::aws::fault::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretValue;

/// A token that expires within this time is not used any more: a push of large layers with it must still end.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// What a registry of ECR is spoken to with.
#[derive(Clone, Debug)]
pub(super) struct EcrLogin {
    pub(super) user: String,
    pub(super) password: SecretValue,
    /// The registry as `https://host`.
    pub(super) registry: String,
    expires: SystemTime,
}

/// The tokens of one registry.
///
/// They are valid for 12 hours
/// (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html>). One whose end has passed
/// when it comes, as with a wrong clock on this machine, is used for what it was asked for, and not kept.
#[derive(Debug)]
pub(super) struct Tokens {
    ecr: Ecr,
    kept: Mutex<Option<EcrLogin>>,
    /// How many were asked for so far.
    asked: AtomicU64,
}

impl Tokens {
    pub(super) fn new(ecr: Ecr) -> Self {
        Tokens { ecr, kept: Mutex::new(None), asked: AtomicU64::new(0) }
    }

    /// The token that is kept, or a new one: if that one expires soon, or if it must be `fresh`, because the registry did
    /// not take it.
    pub(super) async fn login(&self, fresh: bool) -> Result<EcrLogin> {
        let before = self.asked.load(Ordering::SeqCst);
        // Those that come meanwhile wait for the one answer: also those whose old token was refused at the same time.
        let mut kept = self.kept.lock().await;
        let fresh = fresh && before == self.asked.load(Ordering::SeqCst);
        if let Some(login) = kept.as_ref().filter(|login| !fresh && login.lasts(SystemTime::now())) {
            return Ok(login.clone());
        }
        let login = repeated(async |_| self.ask().await).await?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        *kept = login.lasts(SystemTime::now()).then(|| login.clone());
        Ok(login)
    }

    async fn ask(&self) -> Result<EcrLogin> {
        let call = Call { action: "ecr:GetAuthorizationToken", on: &self.ecr.name };
        let answer = client(&self.ecr.aws).await?.get_authorization_token().send().await;
        let answer = answer.map_err(|error| fault(call, &error))?;
        let mut login = match answer.authorization_data() {
            [data, ..] => decoded(data).ok_or_else(not_a_token)?,
            [] => return Err(not_a_token()),
        };
        login.registry = self.registry(&login.registry)?;
        Ok(login)
    }

    /// Where the token is sent: a registry of ECR in this region, of the account that is named, if one is. Where
    /// something on this machine stands in for ECR, it may also name a registry on this machine.
    fn registry(&self, endpoint: &str) -> Result<String> {
        let stands_in = self.ecr.aws.endpoint("ECR")?.is_some_and(|url| is_loopback(&url));
        if stands_in && is_loopback(endpoint) {
            return Ok(endpoint.trim_end_matches('/').to_owned());
        }
        let host = EcrHost::of_endpoint(endpoint, self.ecr.aws.region())?;
        let host = match (&self.ecr.host, self.ecr.account()) {
            (Some(named), _) => named.clone(),
            // A token opens every registry that lets its owner in, also those of other accounts.
            (None, Some(account)) => host.of_account(account),
            (None, None) => host,
        };
        Ok(format!("https://{host}"))
    }
}

impl EcrLogin {
    fn lasts(&self, now: SystemTime) -> bool {
        self.expires.duration_since(now).is_ok_and(|left| left > MARGIN)
    }
}

/// Reads `base64(user:password)`.
fn decoded(data: &AuthorizationData) -> Option<EcrLogin> {
    let text = STANDARD.decode(data.authorization_token()?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (user, password) = text.split_once(':')?;
    if user.is_empty() || password.is_empty() {
        return None;
    }
    // Without an end it is used once.
    let expires = data.expires_at.and_then(|time| time.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH);
    Some(EcrLogin {
        user: user.to_owned(),
        password: SecretValue::new(password),
        registry: data.proxy_endpoint()?.to_owned(),
        expires,
    })
}

fn not_a_token() -> Error {
    Error::new(ErrorKind::Unavailable, "AWS gave no token for the registry")
        .hint("check that AWS_ENDPOINT_URL names a service that answers as AWS does")
        .retryable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Aws;
    use crate::env::Env;

    fn data(token: &str, seconds: i64) -> AuthorizationData {
        AuthorizationData::builder()
            .authorization_token(STANDARD.encode(token))
            .expires_at(aws_sdk_ecr::primitives::DateTime::from_secs(seconds))
            .proxy_endpoint("https://123456789012.dkr.ecr.eu-central-1.amazonaws.com")
            .build()
    }

    #[test]
    fn a_token_is_user_and_password_and_lasts_until_shortly_before_its_end() {
        let login = decoded(&data("AWS:canary:with:colons", 100_000)).unwrap();
        assert_eq!((login.user.as_str(), login.password.expose()), ("AWS", "canary:with:colons"));
        assert!(!format!("{login:?}").contains("canary"));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(login.lasts(at(99_000)));
        assert!(!login.lasts(at(99_800)) && !login.lasts(at(100_000)) && !login.lasts(at(200_000)));
        for bad in ["", "AWS", "AWS:", ":canary"] {
            assert!(decoded(&data(bad, 1)).is_none(), "{bad}");
        }
        let garbage = AuthorizationData::builder().authorization_token("%%").proxy_endpoint("x").build();
        assert!(decoded(&garbage).is_none());
    }

    #[test]
    fn a_token_goes_only_to_a_registry_of_ecr_in_its_region() {
        let registry = |vars: &[(&str, &str)], account: Option<&str>, endpoint: &str| {
            let mut aws = Aws::connect(&Env::of(vars.iter().copied(), "/"), Some("eu-central-1")).unwrap();
            if let Some(account) = account {
                aws = aws.for_account(account).unwrap();
            }
            Tokens::new(Ecr::new(aws).unwrap()).registry(endpoint)
        };
        let own = "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com";
        assert_eq!(registry(&[], None, own).unwrap(), own);
        let other = registry(&[], Some("210987654321"), own).unwrap();
        assert_eq!(other, "https://210987654321.dkr.ecr.eu-central-1.amazonaws.com");
        let local = "http://127.0.0.1:5000";
        assert!(registry(&[], None, local).is_err(), "AWS itself does not send people to their own machine");
        let stand_in = [("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")];
        assert_eq!(registry(&stand_in, None, local).unwrap(), local);
        assert!(registry(&stand_in, None, "https://evil.example").is_err());
        assert!(registry(&[("AWS_ENDPOINT_URL", "https://vpce.example")], None, local).is_err());
    }
}
