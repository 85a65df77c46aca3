//! The keys that R2 takes over S3's protocol, derived from an API token.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::cloudflare::client::Cloudflare;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretValue;
use crate::state::{KeySource, ObjectKeys};
use crate::time::Timestamp;

/// The longest wait that Cloudflare may ask for before it tells whose keys they are.
const LONGEST: Duration = Duration::from_secs(30);

/// The keys of a token for R2: its id, which one request tells, and the SHA-256 of its value
/// (<https://developers.cloudflare.com/r2/api/tokens/#get-s3-api-credentials-from-an-api-token>). They stay in memory.
#[derive(Clone, Debug)]
pub struct R2Keys {
    cloudflare: Cloudflare,
    account: String,
    known: Arc<OnceCell<ObjectKeys>>,
}

impl Cloudflare {
    /// The keys that this token has for R2 in `account`; makes no request.
    ///
    /// # Errors
    /// `Invalid` for what cannot be an account.
    pub fn r2_keys(&self, account: &str) -> Result<R2Keys> {
        let account = self.account(Some(account))?.to_owned();
        // Nothing of a state or a lock can be asked for without them.
        let cloudflare = self.clone().reading_again(LONGEST);
        Ok(R2Keys { cloudflare, account, known: Arc::default() })
    }
}

#[async_trait]
impl KeySource for R2Keys {
    async fn keys(&self) -> Result<ObjectKeys> {
        let ask = async || {
            let status = self.cloudflare.verify_token(Some(&self.account)).await?;
            if let Some(trouble) = status.trouble(Timestamp::now(), Duration::ZERO) {
                return Err(
                    Error::new(ErrorKind::Denied, trouble).hint("set CLOUDFLARE_API_TOKEN to another one")
                );
            }
            Ok(derived(status.id, self.cloudflare.credentials().0))
        };
        self.known.get_or_try_init(ask).await.cloned()
    }
}

fn derived(id: String, token: &SecretValue) -> ObjectKeys {
    ObjectKeys { id, secret: SecretValue::new(Digest::of(token.expose().as_bytes()).hex()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_the_lower_case_sha_256_of_the_token() {
        // `printf %s TOKEN | sha256sum`
        for (token, secret) in [
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY",
                "5d7b5f2a9e44137c4aff6a77d914b1d6e2e16c496cfc5ec93f0be6265167dce0",
            ),
        ] {
            let keys = derived("ed17574386854bf78a67040be0a770b0".into(), &SecretValue::new(token));
            assert_eq!(
                (keys.id.as_str(), keys.secret.expose()),
                ("ed17574386854bf78a67040be0a770b0", secret)
            );
            assert!(!format!("{keys:?}").contains(secret));
        }
    }
}
