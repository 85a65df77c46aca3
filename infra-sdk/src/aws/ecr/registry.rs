//! The images in ECR: OCI's protocol with ECR's token, written to only by whom infra.toml names.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::aws::ecr::host::EcrHost;
use crate::aws::ecr::place::Ecr;
use crate::aws::ecr::token::Tokens;
use crate::aws::meaning::SIGN_IN;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::{BlobSource, ImageRegistry, Reference, StoredManifest};
use crate::names::{ImageName, Tag};
use crate::registry::{Credentials, Login, OciRegistry};

/// The images in a registry of [ECR](https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html).
///
/// Its token is asked for with the first request, and again before it expires or when the registry does not take it. A
/// token opens every registry whose policies let its owner in: that of another account can be read from so. Before the
/// first write the credentials are [compared](crate::aws::Aws::before_write) with the account that is named.
///
/// The [address](ImageRegistry::address) needs the account: where infra.toml names none, it is known after the first
/// request.
///
/// It needs `ecr:GetAuthorizationToken`; to pull `ecr:BatchCheckLayerAvailability`, `ecr:BatchGetImage`,
/// `ecr:GetDownloadUrlForLayer` and `ecr:ListImages`; to push also `ecr:InitiateLayerUpload`, `ecr:UploadLayerPart`,
/// `ecr:CompleteLayerUpload` and `ecr:PutImage`.
///
/// ```no_run
/// # async fn example(image: &infra_sdk::BuiltImage) -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, aws::{Aws, Ecr, EcrRegistry}, images};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?.for_account("123456789012")?;
/// let registry = EcrRegistry::new(Ecr::new(aws)?);
/// images::push(&registry, image, &["1.4.0".parse()?]).await?;
/// # Ok(())
/// # }
/// ```
pub struct EcrRegistry {
    ecr: Ecr,
    tokens: Arc<Tokens>,
    opened: OnceCell<OciRegistry>,
}

impl EcrRegistry {
    /// The images of `ecr`; makes no request.
    pub fn new(ecr: Ecr) -> Self {
        let tokens = Arc::new(Tokens::new(ecr.clone()));
        EcrRegistry { ecr, tokens, opened: OnceCell::new() }
    }

    /// The registry, once a token told where it is.
    async fn open(&self) -> Result<&OciRegistry> {
        self.opened
            .get_or_try_init(async || {
                let mut place = self.tokens.login(false).await?.registry;
                if let Some(prefix) = &self.ecr.prefix {
                    place.push_str(&format!("/{prefix}"));
                }
                OciRegistry::new(&place, Arc::new(EcrCredentials(self.tokens.clone())))
            })
            .await
    }

    /// The same for a write.
    async fn open_to_write(&self) -> Result<&OciRegistry> {
        self.ecr.aws.before_write().await?;
        self.open().await
    }
}

/// A refusal of a write that is about a repository that is not there.
fn explained(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        error.hint("make the repository with `cargo xtask infra:ecr:setup`")
    } else {
        error
    }
}

#[async_trait]
impl ImageRegistry for EcrRegistry {
    fn name(&self) -> &str {
        &self.ecr.name
    }

    fn address(&self, image: &ImageName) -> String {
        if let Some(registry) = self.opened.get() {
            return registry.address(image);
        }
        let host = match (&self.ecr.host, self.ecr.account()) {
            (Some(host), _) => host.to_string(),
            (None, Some(account)) => EcrHost::usual(account, self.ecr.aws.region()).to_string(),
            // Nothing that could be taken for another registry's image.
            (None, None) => format!("account-not-known.dkr.ecr.{}.amazonaws.com", self.ecr.aws.region()),
        };
        match &self.ecr.prefix {
            Some(prefix) => format!("{host}/{prefix}/{image}"),
            None => format!("{host}/{image}"),
        }
    }

    async fn has_blob(&self, image: &ImageName, digest: &Digest) -> Result<bool> {
        self.open().await?.has_blob(image, digest).await
    }

    async fn put_blob(&self, image: &ImageName, digest: &Digest, content: BlobSource<'_>) -> Result<()> {
        self.open_to_write().await?.put_blob(image, digest, content).await.map_err(explained)
    }

    async fn get_blob(
        &self,
        image: &ImageName,
        digest: &Digest,
        to: &mut (dyn Write + Send),
    ) -> Result<bool> {
        self.open().await?.get_blob(image, digest, to).await
    }

    async fn mount_blob(&self, image: &ImageName, digest: &Digest, from: &str) -> Result<bool> {
        self.open_to_write().await?.mount_blob(image, digest, from).await.map_err(explained)
    }

    async fn put_manifest(
        &self,
        image: &ImageName,
        content: &[u8],
        media_type: &str,
        tag: Option<&Tag>,
    ) -> Result<Digest> {
        let registry = self.open_to_write().await?;
        registry.put_manifest(image, content, media_type, tag).await.map_err(explained)
    }

    async fn get_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<StoredManifest>> {
        self.open().await?.get_manifest(image, at).await
    }

    async fn head_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<Digest>> {
        self.open().await?.head_manifest(image, at).await
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>> {
        self.open().await?.tags(image).await
    }
}

/// What helps when a registry of ECR lets nobody in: its token is as good as the credentials it was asked for with, see
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html>.
const ADVICE: &[&str] = &[
    SIGN_IN,
    "allow these credentials, and in the repository's policy, `ecr:BatchCheckLayerAvailability`, `ecr:BatchGetImage` and \
     `ecr:GetDownloadUrlForLayer` to pull; to push also `ecr:InitiateLayerUpload`, `ecr:UploadLayerPart`, \
     `ecr:CompleteLayerUpload` and `ecr:PutImage`",
    "set this machine's clock: by a wrong one, a token that has expired may seem to last",
];

/// ECR's token as the registry client asks for it.
struct EcrCredentials(Arc<Tokens>);

#[async_trait]
impl Credentials for EcrCredentials {
    async fn get(&self, fresh: bool) -> Result<Option<Login>> {
        let login = self.0.login(fresh).await?;
        Ok(Some(Login::new(login.user, login.password)))
    }

    fn advice(&self) -> &'static [&'static str] {
        ADVICE
    }
}

impl fmt::Debug for EcrRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcrRegistry({})", self.ecr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Aws;
    use crate::env::Env;

    #[test]
    fn an_address_is_that_of_the_account_and_never_of_somebody_else() {
        let address = |region: &str, account: Option<&str>, place: Option<&str>| {
            let mut aws = Aws::connect(&Env::of::<&str, &str>([], "/"), Some(region)).unwrap();
            if let Some(account) = account {
                aws = aws.for_account(account).unwrap();
            }
            let ecr = match place {
                Some(place) => Ecr::at(&aws, place).unwrap().unwrap(),
                None => Ecr::new(aws).unwrap(),
            };
            EcrRegistry::new(ecr).address(&"shop-api/app".parse().unwrap())
        };
        let account = Some("123456789012");
        let own = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
        assert_eq!(address("eu-central-1", account, None), format!("{own}/shop-api/app"));
        assert_eq!(
            address("cn-north-1", account, None),
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/shop-api/app"
        );
        let shared = format!("{own}/team");
        assert_eq!(address("us-east-1", None, Some(&shared)), format!("{shared}/shop-api/app"));
        assert!(address("eu-central-1", None, None).starts_with("account-not-known."));
    }
}
