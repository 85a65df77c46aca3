//! One bucket, in S3 or in R2, and the one way to ask it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::connect::Aws;
use crate::aws::fault::{Call, Fault, Why};
use crate::aws::s3::clock::Clock;
use crate::cancel::CancelToken;
use crate::config::Jurisdiction;
use crate::env::{Env, R2_ACCESS_KEY_ID, R2_ENDPOINT_URL, R2_SECRET_ACCESS_KEY};
use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;
use crate::retry::Retry;
use crate::secret::SecretValue;
use crate::state::{KeySource, ObjectKeys};

/// Below this prefix lies what is ours and no state: locks, the ledger, probes.
pub(super) const OURS: &str = ".infra-sdk";

/// How a request is repeated that may work the second time: with pauses of five seconds in all.
const AGAIN: Retry =
    Retry { attempts: 4, first: Duration::from_millis(200), factor: 4, max: Duration::from_secs(4) };

/// A bucket of S3, or one of R2; cheap to clone.
///
/// For S3 it needs `s3:ListBucket` on the bucket, and `s3:GetObject`, `s3:PutObject` and `s3:DeleteObject` on what is in
/// it; with a KMS key of your own also `kms:GenerateDataKey` and `kms:Decrypt`. For R2 it needs a token with
/// "Object Read & Write".
///
/// Conditional requests are what locks are made of:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>. A conflict of two at once, a store
/// that is busy and one that does not answer are asked again, four times in all.
///
/// ```
/// use infra_sdk::{Env, aws::{Aws, Bucket}};
/// let env = Env::of([("AWS_REGION", "eu-central-1")], "/");
/// let bucket = Bucket::on_s3(Aws::connect(&env, None)?, "acme-terraform-state", None)?;
/// assert_eq!(bucket.to_string(), "s3://acme-terraform-state");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(super) aws: Aws,
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What differs between S3 and R2.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Encrypts with this KMS key, or with the bucket's own.
    S3 { kms_key: Option<String> },
    /// Has no versions, no KMS, no policies; takes keys of its own, which Terraform gets by its environment.
    R2 { keys: Arc<dyn KeySource> },
}

/// The client, and the clock it learns.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) clock: Clock,
}

impl Bucket {
    /// A bucket of S3 in the region of `aws`. What is written is encrypted with `kms_key`, else as the bucket says.
    /// Makes no request.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a bucket's name.
    pub fn on_s3(aws: Aws, name: &str, kms_key: Option<String>) -> Result<Self> {
        Ok(Bucket { aws, name: checked(name)?, kind: Kind::S3 { kms_key } })
    }

    /// A bucket of R2 in `account`, with the keys of `R2_ACCESS_KEY_ID` and `R2_SECRET_ACCESS_KEY`. Makes no request.
    ///
    /// # Errors
    /// `Denied` without keys; `Invalid` for an account, a name or an address in `R2_ENDPOINT_URL` that cannot be one.
    pub fn on_r2(env: &Env, account: &str, name: &str) -> Result<Self> {
        Self::on_r2_with(env, account, name, None, Arc::new(Self::r2_keys(env)?))
    }

    /// The keys of `R2_ACCESS_KEY_ID` and `R2_SECRET_ACCESS_KEY`.
    ///
    /// # Errors
    /// `Denied` when one is missing.
    pub fn r2_keys(env: &Env) -> Result<ObjectKeys> {
        let missing = |variable: &str| {
            Error::new(ErrorKind::Denied, "there are no keys for R2").with("missing", variable).hint(format!(
                "set CLOUDFLARE_API_TOKEN, from which they are derived where infra-sdk has the feature `cloudflare`, or \
                 {R2_ACCESS_KEY_ID} and {R2_SECRET_ACCESS_KEY}: an API token with `Object Read & Write` has them, in R2 \
                 of Cloudflare's dashboard"
            ))
        };
        let key = |variable| env.get(variable).ok_or_else(|| missing(variable));
        let id = key(R2_ACCESS_KEY_ID)?.to_owned();
        Ok(ObjectKeys { id, secret: SecretValue::new(key(R2_SECRET_ACCESS_KEY)?) })
    }

    /// The same with keys that are found when they are first needed, in a jurisdiction, which has an address of its own
    /// (<https://developers.cloudflare.com/r2/reference/data-location/#using-jurisdictions-with-the-s3-api>).
    /// Makes no request.
    ///
    /// # Errors
    /// As [`on_r2`](Bucket::on_r2), but for the keys.
    pub fn on_r2_with(
        env: &Env,
        account: &str,
        name: &str,
        jurisdiction: Option<Jurisdiction>,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self> {
        if account.len() != 32 || !account.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::invalid(format!("{} is not an account of Cloudflare", quoted(account)))
                .hint("write its 32 hexadecimal digits, as Cloudflare's dashboard shows them"));
        }
        let within = jurisdiction.map(|jurisdiction| format!(".{}", jurisdiction.as_str()));
        let own = format!("https://{account}{}.r2.cloudflarestorage.com", within.unwrap_or_default());
        let aws = Aws::elsewhere(env, env.get(R2_ENDPOINT_URL).unwrap_or(&own), "auto")
            .map_err(|error| error.hint(format!("or unset {R2_ENDPOINT_URL}")))?;
        Ok(Bucket { aws, name: checked(name)?, kind: Kind::R2 { keys } })
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a person finds an object.
    pub(super) fn place(&self, key: &str) -> String {
        format!("{self}/{key}")
    }

    pub(super) async fn link(&self) -> Result<Link> {
        self.aws.before_read().await?;
        let keys = match &self.kind {
            Kind::R2 { keys } => Some(keys.keys().await?),
            Kind::S3 { .. } => None,
        };
        self.aws
            .client("S3", |config, endpoint| {
                let clock = Clock::default();
                let mut config = aws_sdk_s3::config::Builder::from(config).interceptor(clock.clone());
                // What stands in for S3 seldom answers to a host for each bucket.
                config.set_force_path_style(Some(endpoint.is_some()));
                config.set_endpoint_url(endpoint);
                if let Some(ObjectKeys { id, secret }) = keys {
                    let keys = Credentials::new(id, secret.expose(), None, None, "R2");
                    config.set_credentials_provider(Some(SharedCredentialsProvider::new(keys)));
                    // R2 refuses the checksums that newer SDKs send unasked.
                    config.set_request_checksum_calculation(Some(RequestChecksumCalculation::WhenRequired));
                }
                Link { client: Client::from_conf(config.build()), clock }
            })
            .await
    }

    /// Asks again what may work the second time.
    pub(super) async fn again<T, F, A>(&self, attempt: F) -> Result<T>
    where
        F: FnMut(u32) -> A,
        A: Future<Output = Result<T>>,
    {
        AGAIN.run(&CancelToken::new(), attempt).await
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if matches!(self.kind, Kind::R2 { .. }) { "r2" } else { "s3" };
        write!(f, "{scheme}://{}", self.name)
    }
}

/// A bucket's name (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
fn checked(name: &str) -> Result<String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && name.starts_with(ends)
        && name.ends_with(ends)
        && !name.contains("..");
    if good {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("{} is not the name of a bucket", quoted(name)))
        .hint("use 3 to 63 of `a-z`, `0-9`, `-` and `.`, and begin and end with a letter or digit"))
}

/// What S3 made of a request.
pub(super) fn fault<E>(call: Call<'_>, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Fault::of(call, error, error.code(), error.message())
}

/// The status and the code of an answer.
pub(super) fn answered(fault: &Fault) -> (u16, &str) {
    match &fault.why {
        Why::Refused { code, status, .. } => (*status, code.as_str()),
        Why::NotUnderstood { status } => (*status, ""),
        _ => (0, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_cannot_be_a_bucket_is_refused() {
        for good in ["acme-terraform-state", "a.b", "123"] {
            assert_eq!(checked(good).unwrap(), good);
        }
        for bad in ["", "ab", "Acme", "-acme", "acme-", "a..b", "a/b", "a b", &"a".repeat(64)] {
            assert!(!checked(bad).unwrap_err().hints().is_empty(), "{bad}");
        }
    }

    #[test]
    fn r2_names_the_key_that_is_missing_and_shows_none() {
        let env = |vars: &[(&str, &str)]| Env::of(vars.iter().copied(), "/");
        let error = Bucket::on_r2(&env(&[(R2_ACCESS_KEY_ID, "id")]), ACCOUNT, "state").unwrap_err();
        assert!(error.to_string().contains(R2_SECRET_ACCESS_KEY) && !error.hints().is_empty(), "{error}");
        let keys = [(R2_ACCESS_KEY_ID, "id"), (R2_SECRET_ACCESS_KEY, "canary")];
        let bucket = Bucket::on_r2(&env(&keys), ACCOUNT, "state").unwrap();
        assert!(!format!("{bucket:?}").contains("canary"));
        assert_eq!(bucket.to_string(), "r2://state");
        let known = ObjectKeys { id: "id".into(), secret: SecretValue::new("canary") };
        let eu = Some(Jurisdiction::Eu);
        let bucket = Bucket::on_r2_with(&env(&[]), ACCOUNT, "state", eu, Arc::new(known)).unwrap();
        let address = bucket.aws.endpoint("S3").unwrap().unwrap();
        assert_eq!(address, format!("https://{ACCOUNT}.eu.r2.cloudflarestorage.com"));
        assert!(Bucket::on_r2(&env(&keys), "acme", "state").is_err());
        let plain = [keys[0], keys[1], (R2_ENDPOINT_URL, "http://r2.example")];
        let error = Bucket::on_r2(&env(&plain), ACCOUNT, "state").unwrap_err();
        assert!(error.hints().iter().any(|hint| hint.contains(R2_ENDPOINT_URL)), "{error:?}");
    }
}
