//! Which registry of ECR: whose account, which region, and what stands before every name in it.

use std::fmt;

use crate::aws::connect::Aws;
use crate::aws::ecr::host::EcrHost;
use crate::error::{Error, Result};
use crate::names::ImageName;

/// A registry in [ECR](https://docs.aws.amazon.com/AmazonECR/latest/userguide/what-is-ecr.html): the settings of its
/// repositories and its scans. [`EcrRegistry`](crate::aws::EcrRegistry) moves the images.
///
/// ```
/// use infra_sdk::{Env, aws::{Aws, Ecr}};
/// let aws = Aws::connect(&Env::of([("AWS_REGION", "eu-central-1")], "/srv/shop"), None)?;
/// assert_eq!(Ecr::new(aws.clone())?.to_string(), "ECR in eu-central-1");
/// let shared = Ecr::at(&aws, "123456789012.dkr.ecr.us-east-1.amazonaws.com/team")?.unwrap();
/// assert_eq!(shared.to_string(), "ECR in us-east-1 of account 123456789012");
/// assert!(Ecr::at(&aws, "ghcr.io/acme")?.is_none());
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ecr {
    pub(super) aws: Aws,
    /// The host that infra.toml names; else the token tells.
    pub(super) host: Option<EcrHost>,
    pub(super) prefix: Option<ImageName>,
    pub(super) name: String,
}

impl Ecr {
    /// The registry of the account whose credentials are used, or that `aws` [names](Aws::for_account), in the region of
    /// `aws`. Makes no request.
    ///
    /// # Errors
    /// `Invalid` for an address in `AWS_ENDPOINT_URL` that nothing secret can be sent to.
    pub fn new(aws: Aws) -> Result<Self> {
        Self::made(aws, None, None)
    }

    /// Whether `place`, as `host` or `host/prefix`, is a registry of ECR.
    pub fn is_place(place: &str) -> bool {
        EcrHost::parse(place.split('/').next().unwrap_or(place)).is_some()
    }

    /// The registry that `place` names as `host` or `host/prefix`; `None` when it is not one of ECR.
    ///
    /// # Errors
    /// `Invalid` for a prefix that cannot be one; as [`new`](Ecr::new).
    pub fn at(aws: &Aws, place: &str) -> Result<Option<Self>> {
        let (host, prefix) =
            place.split_once('/').map_or((place, None), |(host, prefix)| (host, Some(prefix)));
        let Some(host) = EcrHost::parse(host) else { return Ok(None) };
        let prefix = prefix.map(ImageName::new).transpose()?;
        let aws = if aws.region() == host.region { aws.clone() } else { aws.in_region(&host.region)? };
        Self::made(aws, Some(host), prefix).map(Some)
    }

    /// The registry of the same account in another region.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a region.
    pub fn in_region(&self, region: &str) -> Result<Self> {
        let host = self.host.as_ref().map(|host| host.in_region(region));
        Self::made(self.aws.in_region(region)?, host, self.prefix.clone())
    }

    fn made(aws: Aws, host: Option<EcrHost>, prefix: Option<ImageName>) -> Result<Self> {
        aws.endpoint("ECR")?;
        let mut name = format!("ECR in {}", aws.region());
        if let Some(account) = host.as_ref().map(|host| host.account.as_str()).or(aws.account()) {
            name.push_str(&format!(" of account {account}"));
        }
        Ok(Ecr { aws, host, prefix, name })
    }

    /// The account whose registry it is, where that is not simply the one of the credentials.
    pub(super) fn account(&self) -> Option<&str> {
        self.host.as_ref().map(|host| host.account.as_str()).or(self.aws.account())
    }

    /// What ECR calls the repository of an image.
    pub(super) fn repository(&self, image: &ImageName) -> Result<String> {
        let name = match &self.prefix {
            Some(prefix) => format!("{}/{image}", prefix.as_str()),
            None => image.to_string(),
        };
        // <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html>
        if !(2..=256).contains(&name.len()) {
            return Err(Error::invalid("ECR takes names of repositories of 2 to 256 characters")
                .with("repository", name)
                .hint("choose another name for the image or a shorter prefix of the registry"));
        }
        Ok(name)
    }
}

impl fmt::Display for Ecr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
