//! A registry that only says which images it has and how they are pulled.

use std::io::Write;

use async_trait::async_trait;
use infra_sdk::images::{BlobSource, ImageRegistry, Reference, StoredManifest};
use infra_sdk::names::{ImageName, Tag};
use infra_sdk::{Digest, Error, Result};

/// Has the images whose manifests are these bytes, under every name. Nothing can be put into it.
#[derive(Clone, Debug, Default)]
pub struct Pullable(pub Vec<Vec<u8>>);

impl Pullable {
    fn refused<T>() -> Result<T> {
        Err(Error::invalid("a stand-in keeps no bytes"))
    }
}

#[async_trait]
impl ImageRegistry for Pullable {
    fn name(&self) -> &str {
        "registry.example"
    }

    fn address(&self, image: &ImageName) -> String {
        format!("registry.example/acme/{image}")
    }

    async fn has_blob(&self, _: &ImageName, _: &Digest) -> Result<bool> {
        Self::refused()
    }

    async fn put_blob(&self, _: &ImageName, _: &Digest, _: BlobSource<'_>) -> Result<()> {
        Self::refused()
    }

    async fn get_blob(&self, _: &ImageName, _: &Digest, _: &mut (dyn Write + Send)) -> Result<bool> {
        Self::refused()
    }

    async fn put_manifest(&self, _: &ImageName, _: &[u8], _: &str, _: Option<&Tag>) -> Result<Digest> {
        Self::refused()
    }

    async fn mount_blob(&self, _: &ImageName, _: &Digest, _: &str) -> Result<bool> {
        Self::refused()
    }

    async fn head_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<Digest>> {
        Ok(self.get_manifest(image, at).await?.map(|manifest| manifest.digest()))
    }

    async fn get_manifest(&self, _: &ImageName, at: &Reference) -> Result<Option<StoredManifest>> {
        let named = |content: &&Vec<u8>| *at == Reference::Digest(Digest::of(content));
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        Ok(self.0.iter().find(named).map(|content| StoredManifest { content: content.clone(), media_type }))
    }

    async fn tags(&self, _: &ImageName) -> Result<Vec<Tag>> {
        Self::refused()
    }
}
