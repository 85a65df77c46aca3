//! What stands behind a port whose provider is not compiled in: every call names the feature that is missing.
//!
//! An environment is opened before it is known what will be asked of it: secrets of an environment can be synced, also
//! where nothing here can keep its images.

use std::collections::BTreeMap;
use std::io::Write;

use async_trait::async_trait;

use crate::deploy::{Claim, DeployTarget, Habits, Observation, Release, ReleaseId, ReleaseSpec, Status};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::{BlobSource, ImageRegistry, Reference, StoredManifest};
use crate::names::{EnvName, ImageName, ParamPath, Tag};
use crate::refs::{Kind, Parameter, ParameterStore, ParameterWrite};
use crate::secrets::{Sealer, SecretBytes};

/// A provider that is not there.
#[derive(Clone, Debug)]
pub(super) struct Absent {
    wanted: String,
    feature: &'static str,
    environment: EnvName,
    /// What stands in its way instead of a feature: kind, what failed, what to do.
    instead: Option<(ErrorKind, String, Vec<String>)>,
}

impl Absent {
    pub(super) fn new(wanted: impl Into<String>, feature: &'static str, environment: &EnvName) -> Self {
        Absent { wanted: wanted.into(), feature, environment: environment.clone(), instead: None }
    }

    /// For one that is compiled in and cannot be reached as the environment is: that is told when it is used.
    pub(super) fn unreachable(wanted: impl Into<String>, error: &Error, environment: &EnvName) -> Self {
        let instead = (error.kind(), error.to_string(), error.hints().to_vec());
        Absent { instead: Some(instead), ..Absent::new(wanted, "", environment) }
    }

    pub(super) fn error(&self) -> Error {
        if let Some((kind, what, hints)) = &self.instead {
            let error = Error::new(*kind, format!("{} cannot be used", self.wanted)).because(what.clone());
            let error = error.with("environment", &self.environment);
            return hints.iter().fold(error, |error, hint| error.hint(hint));
        }
        Error::new(ErrorKind::NotBuilt, format!("{} is not compiled in", self.wanted))
            .with("environment", &self.environment)
            .hint(format!(
                "add the feature `{}` to infra-sdk in xtask/Cargo.toml, if this version has it",
                self.feature
            ))
            .hint("or use `--env local`, which needs no account")
    }
}

impl Sealer for Absent {
    fn seal(&self, _: &[u8]) -> Result<Vec<u8>> {
        Err(self.error())
    }

    fn unseal(&self, _: &[u8]) -> Result<SecretBytes> {
        Err(self.error())
    }
}

#[async_trait]
impl ParameterStore for Absent {
    async fn get(&self, _: &[ParamPath]) -> Result<BTreeMap<ParamPath, Parameter>> {
        Err(self.error())
    }

    async fn present(&self, _: &[ParamPath]) -> Result<BTreeMap<ParamPath, Kind>> {
        Err(self.error())
    }

    async fn under(&self, _: &ParamPath) -> Result<Vec<Parameter>> {
        Err(self.error())
    }

    async fn names(&self) -> Result<Vec<ParamPath>> {
        Err(self.error())
    }

    async fn put(&self, _: &[ParameterWrite]) -> Result<Vec<u64>> {
        Err(self.error())
    }

    async fn delete(&self, _: &[ParamPath]) -> Result<usize> {
        Err(self.error())
    }
}

#[async_trait]
impl DeployTarget for Absent {
    /// As one that can do everything, so that what is told is why it is not there.
    fn habits(&self) -> Habits {
        Habits { shares: true, ..Habits::default() }
    }

    async fn claim(&self, _: &str) -> Result<Claim> {
        Err(self.error())
    }

    async fn prepare(&self, _: &ReleaseSpec, _: &str, _: bool) -> Result<Release> {
        Err(self.error())
    }

    async fn activate(&self, _: &ReleaseId) -> Result<()> {
        Err(self.error())
    }

    async fn observe(&self, _: &ReleaseId) -> Result<Observation> {
        Err(self.error())
    }

    async fn accept(&self, _: &ReleaseId, _: u16) -> Result<()> {
        Err(self.error())
    }

    async fn status(&self) -> Result<Status> {
        Err(self.error())
    }

    async fn logs(&self, _: Option<&ReleaseId>, _: usize) -> Result<Vec<String>> {
        Err(self.error())
    }

    async fn stop(&self) -> Result<()> {
        Err(self.error())
    }
}

#[async_trait]
impl ImageRegistry for Absent {
    fn name(&self) -> &str {
        &self.wanted
    }

    fn address(&self, image: &ImageName) -> String {
        image.to_string()
    }

    async fn has_blob(&self, _: &ImageName, _: &Digest) -> Result<bool> {
        Err(self.error())
    }

    async fn put_blob(&self, _: &ImageName, _: &Digest, _: BlobSource<'_>) -> Result<()> {
        Err(self.error())
    }

    async fn mount_blob(&self, _: &ImageName, _: &Digest, _: &str) -> Result<bool> {
        Err(self.error())
    }

    async fn get_blob(&self, _: &ImageName, _: &Digest, _: &mut (dyn Write + Send)) -> Result<bool> {
        Err(self.error())
    }

    async fn put_manifest(&self, _: &ImageName, _: &[u8], _: &str, _: Option<&Tag>) -> Result<Digest> {
        Err(self.error())
    }

    async fn get_manifest(&self, _: &ImageName, _: &Reference) -> Result<Option<StoredManifest>> {
        Err(self.error())
    }

    async fn head_manifest(&self, _: &ImageName, _: &Reference) -> Result<Option<Digest>> {
        Err(self.error())
    }

    async fn tags(&self, _: &ImageName) -> Result<Vec<Tag>> {
        Err(self.error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_compiled_in_names_its_feature_and_what_is_elsewhere_its_reason() {
        let staging: EnvName = "staging".parse().unwrap();
        let asked = async |absent: Absent| absent.get(&[]).await.unwrap_err();
        let error = asked(Absent::new("provider = \"aws\" for references", "aws-ssm", &staging)).await;
        assert_eq!(error.kind(), ErrorKind::NotBuilt);
        assert!(error.report().to_string().contains("add the feature `aws-ssm`"), "{}", error.report());
        let reason = Error::invalid("it keeps none").hint("take another");
        let error = asked(Absent::unreachable("it", &reason, &staging)).await;
        assert_eq!((error.kind(), error.hints()), (ErrorKind::Invalid, &["take another".to_owned()][..]));
    }
}
