//! A registry of images on plain files: one OCI layout folder for each image name.

use std::io::Write;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::file::{self, FileLock, failed};
use crate::images::oci::Descriptor;
use crate::images::{BlobSource, ImageRegistry, Layout, Reference, StoredManifest};
use crate::names::{ImageName, Tag};

/// A manifest may have this size, as in other registries.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// Images as OCI layout folders under one root, which skopeo, umoci and others read too.
///
/// The folder of `shop-api/app` is `shop-api+app`: no image name has a `+`, so
/// no image can stand inside the folder of another.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("registry-{}", infra_sdk::id::short()?));
/// use infra_sdk::images::ImageRegistry;
/// use infra_sdk::local::LocalRegistry;
/// let registry = LocalRegistry::new(&folder);
/// assert!(registry.tags(&"shop-api/app".parse()?).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalRegistry {
    root: PathBuf,
    name: String,
}

impl LocalRegistry {
    /// The registry in the folder `root`, which is made with the first push.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let name = format!("the local registry {}", root.display());
        LocalRegistry { root, name }
    }

    /// The layout folder of one image.
    pub fn layout(&self, image: &ImageName) -> Layout {
        Layout::at(self.root.join(folder_name(image)))
    }

    /// The layout folder of one image, made if it is not there: under the lock, because a
    /// fresh index must not replace one that another process has just filled.
    fn layout_to_write(&self, image: &ImageName) -> Result<Layout> {
        let layout = self.layout(image);
        if layout.is_complete() {
            return Ok(layout);
        }
        let _lock = self.lock(image)?;
        Layout::create(layout.folder())
    }

    /// What the image's index says of a manifest.
    fn listed(&self, image: &ImageName, at: &Reference) -> Result<Option<Descriptor>> {
        Ok(self.layout(image).index()?.manifests.into_iter().find(|manifest| match at {
            Reference::Tag(tag) => manifest.tag() == Some(tag.as_str()),
            Reference::Digest(digest) => manifest.digest == *digest,
        }))
    }

    /// Changes of one image happen one after the other, also between processes.
    fn lock(&self, image: &ImageName) -> Result<FileLock> {
        let lock = FileLock::acquire(&self.root.join(format!(".{}.lock", folder_name(image))))?;
        crate::file::sweep(&self.root.join(folder_name(image)));
        Ok(lock)
    }
}

fn folder_name(image: &ImageName) -> String {
    image.as_str().replace('/', "+")
}

#[async_trait]
impl ImageRegistry for LocalRegistry {
    fn name(&self) -> &str {
        &self.name
    }

    /// The layout folder, which other tools read under this path.
    fn address(&self, image: &ImageName) -> String {
        self.layout(image).folder().display().to_string()
    }

    async fn has_blob(&self, image: &ImageName, digest: &Digest) -> Result<bool> {
        Ok(self.layout(image).has_blob(digest))
    }

    async fn put_blob(&self, image: &ImageName, digest: &Digest, content: BlobSource<'_>) -> Result<()> {
        // Blobs need no lock: each is written beside its place, and its place says its content.
        self.layout_to_write(image)?.put_blob(digest, content)
    }

    /// Mounts from folders of the same root only.
    async fn mount_blob(&self, image: &ImageName, digest: &Digest, from: &str) -> Result<bool> {
        let source = Layout::at(from);
        if source.folder().parent() != Some(&self.root) || !source.has_blob(digest) {
            return Ok(false);
        }
        let path = source.blob_path(digest);
        self.layout_to_write(image)?.put_blob(digest, BlobSource::File(&path))?;
        Ok(true)
    }

    async fn get_blob(
        &self,
        image: &ImageName,
        digest: &Digest,
        to: &mut (dyn Write + Send),
    ) -> Result<bool> {
        let layout = self.layout(image);
        let Some(mut blob) = layout.open_blob(digest)? else { return Ok(false) };
        std::io::copy(&mut blob, to)
            .map_err(|error| failed("read a blob", &layout.blob_path(digest), error))?;
        Ok(true)
    }

    async fn put_manifest(
        &self,
        image: &ImageName,
        content: &[u8],
        media_type: &str,
        tag: Option<&Tag>,
    ) -> Result<Digest> {
        if content.len() as u64 > MANIFEST_LIMIT {
            return Err(
                Error::invalid("the manifest is larger than 4 MiB").hint("put fewer layers into the image")
            );
        }
        let _lock = self.lock(image)?;
        Layout::create(self.layout(image).folder())?.put_manifest(content, media_type, tag)
    }

    async fn get_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<StoredManifest>> {
        let Some(listed) = self.listed(image, at)? else { return Ok(None) };
        let content = file::read(&self.layout(image).blob_path(&listed.digest), MANIFEST_LIMIT)?;
        Ok(content.map(|content| StoredManifest { content, media_type: listed.media_type }))
    }

    async fn head_manifest(&self, image: &ImageName, at: &Reference) -> Result<Option<Digest>> {
        let layout = self.layout(image);
        let listed = self.listed(image, at)?.map(|listed| listed.digest);
        Ok(listed.filter(|digest| layout.has_blob(digest)))
    }

    async fn tags(&self, image: &ImageName) -> Result<Vec<Tag>> {
        let index = self.layout(image).index()?;
        // Other tools may write notes that are no tags into the same place.
        let mut tags: Vec<Tag> =
            index.manifests.iter().filter_map(|m| m.tag()).filter_map(|tag| tag.parse().ok()).collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::ErrorKind;
    use crate::images::oci::{self, Config, Manifest, RootFs, RunConfig};
    use crate::images::{self, BuiltImage, ImageSpec, Platform};

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("infra-sdk-registry-{}", crate::id::short().unwrap()));
        fs::create_dir_all(path.join("dist/bin")).unwrap();
        path
    }

    fn executable(path: &Path) {
        fs::write(path, "#!/bin/sh\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    async fn built(root: &Path) -> BuiltImage {
        executable(&root.join("dist/bin/server"));
        let spec = ImageSpec::new("shop-api/app".parse().unwrap(), root.join("dist"), ["bin/server", "-v"]);
        images::build(&spec.version("1.0.0"), &root.join("out")).await.unwrap()
    }

    #[tokio::test]
    async fn an_image_comes_out_as_it_went_in_and_is_sent_once() {
        let root = scratch();
        let long = format!("{}/{}/{}", "d".repeat(90), "e".repeat(90), "f".repeat(200));
        let long = Path::new(&long);
        fs::create_dir_all(root.join("dist").join(long.parent().unwrap())).unwrap();
        fs::write(root.join("dist").join(long), vec![9; 300_000]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("bin/server", root.join("dist/start")).unwrap();
        let image = built(&root).await;
        let registry = LocalRegistry::new(root.join("registry"));
        let tags = ["v1".parse().unwrap(), "live".parse().unwrap()];
        let first = images::push(&registry, &image, &tags).await.unwrap();
        assert_eq!((first.uploaded, first.skipped, first.tags.len()), (2, 0, 2));
        let second = images::push(&registry, &image, &tags).await.unwrap();
        // Every tag that was wanted is there, whoever put it.
        assert_eq!((second.uploaded, second.skipped, second.tags.len()), (0, 2, 2));

        let into = root.join("run/rootfs");
        let unpacked = images::pull(&registry, &image.name, image.digest(), &into).await.unwrap();
        assert_eq!(unpacked.info.entrypoint, ["/app/bin/server", "-v"]);
        assert_eq!(unpacked.program().unwrap(), into.join("app/bin/server"));
        assert_eq!(unpacked.working_dir(), into.join("app"));
        assert_eq!(unpacked.info.labels["org.opencontainers.image.version"], "1.0.0");
        assert_eq!(fs::read(into.join("app").join(long)).unwrap(), vec![9; 300_000]);
        #[cfg(unix)]
        assert_eq!(fs::read_link(into.join("app/start")).unwrap(), Path::new("bin/server"));
        let again = images::pull(&registry, &image.name, image.digest(), &into).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        assert_eq!(images::inspect(&registry, &image.name, image.digest()).await.unwrap(), unpacked.info);
        fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn a_damaged_blob_is_refused_and_nothing_is_left_behind() {
        let root = scratch();
        let image = built(&root).await;
        let registry = LocalRegistry::new(root.join("registry"));
        images::push(&registry, &image, &[]).await.unwrap();
        let layer = registry.layout(&image.name).blob_path(image.layers().next().unwrap());
        let whole = fs::read(&layer).unwrap();
        let flipped: Vec<u8> = whole.iter().rev().copied().collect();
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &[&whole[..], b"x"].concat()] {
            fs::write(&layer, damaged).unwrap();
            let into = root.join("run/rootfs");
            let error = images::pull(&registry, &image.name, image.digest(), &into).await.unwrap_err();
            assert!(!error.hints().is_empty() || std::error::Error::source(&error).is_some(), "{error:?}");
            assert_eq!(fs::read_dir(root.join("run")).unwrap().count(), 0, "{error:?}");
        }
        fs::remove_file(&layer).unwrap();
        let error = images::pull(&registry, &image.name, image.digest(), &root.join("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        fs::remove_dir_all(root).unwrap();
    }

    fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn upper_layers_replace_and_remove_what_lower_ones_hold() {
        let root = scratch();
        let registry = LocalRegistry::new(root.join("registry"));
        let image: ImageName = "layered".parse().unwrap();
        let layout = Layout::create(registry.layout(&image).folder()).unwrap();
        let layers = [
            archive(&[("a/old", "1"), ("a/kept", "1"), ("b/x", "1"), ("c", "1")]),
            // The whiteouts stand behind what their own layer adds, and must not remove it.
            archive(&[
                ("b/new", "2"),
                ("a/again", "2"),
                ("c/inner", "2"),
                ("b/.wh..wh..opq", ""),
                ("a/.wh.old", ""),
                ("a/.wh.again", ""),
            ]),
        ];
        let digests: Vec<Digest> = layers.iter().map(|layer| layout.put_bytes(layer).unwrap()).collect();
        let Platform { architecture, os } = Platform::linux("amd64");
        let rootfs = RootFs { kind: "layers".into(), diff_ids: digests.clone() };
        let config =
            Config { created: None, architecture, os, config: RunConfig::default(), rootfs, history: vec![] };
        let config = serde_json::to_vec(&config).unwrap();
        let describe = |(digest, layer): (&Digest, &Vec<u8>)| {
            Descriptor::new(oci::LAYER_TAR, digest.clone(), layer.len() as u64)
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: None,
            config: Descriptor::new(oci::CONFIG, layout.put_bytes(&config).unwrap(), config.len() as u64),
            layers: digests.iter().zip(&layers).map(describe).collect(),
            annotations: Default::default(),
        };
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let digest = registry.put_manifest(&image, &manifest, oci::MANIFEST, None).await.unwrap();
        let into = root.join("rootfs");
        images::pull(&registry, &image, &digest, &into).await.unwrap();
        for there in ["a/kept", "b/new", "a/again", "c/inner"] {
            assert!(into.join(there).is_file(), "{there} is gone");
        }
        for gone in ["a/old", "b/x", "b/.wh..wh..opq", "a/.wh.old"] {
            assert!(!into.join(gone).exists(), "{gone} is there");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn an_image_is_copied_by_its_digest_with_all_its_platforms() {
        let root = scratch();
        executable(&root.join("dist/bin/server"));
        let specs = ["arm64", "amd64"].map(|machine| {
            let spec = ImageSpec::new("shop-api/app".parse().unwrap(), root.join("dist"), ["bin/server"]);
            spec.platform(Platform::linux(machine))
        });
        let image = images::build_all(&specs, &root.join("out")).await.unwrap();
        let (one, two) = (LocalRegistry::new(root.join("one")), LocalRegistry::new(root.join("two")));
        images::push(&one, &image, &[]).await.unwrap();
        let tags = ["live".parse().unwrap()];
        let report = images::copy(&one, &two, &image.name, image.digest(), &tags).await.unwrap();
        // Both platforms have the same files, and so one layer.
        assert_eq!((report.sent, report.mounted, report.skipped), (3, 0, 0));
        let again = images::copy(&one, &two, &image.name, image.digest(), &tags).await.unwrap();
        assert_eq!((again.sent, again.skipped, again.tags.len()), (0, 3, 1));
        let arm = Platform::linux("arm64");
        let info = images::inspect_for(&two, &image.name, image.digest(), &arm).await.unwrap();
        assert_eq!(info.platform, arm);

        let layer = one.layout(&image.name).blob_path(image.layers().next().unwrap());
        fs::write(layer, "damaged").unwrap();
        let three = LocalRegistry::new(root.join("three"));
        let error = images::copy(&one, &three, &image.name, image.digest(), &tags).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(three.tags(&image.name).await.unwrap().is_empty());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn pushes_at_the_same_time_lose_no_tag() {
        let root = scratch();
        let registry = LocalRegistry::new(root.join("registry"));
        let image: ImageName = "busy".parse().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (registry, image) = (&registry, &image);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        let config = format!("{{\"number\":{number}}}");
                        let digest = Digest::of(config.as_bytes());
                        registry
                            .put_blob(image, &digest, BlobSource::Bytes(config.as_bytes()))
                            .await
                            .unwrap();
                        let manifest = Manifest {
                            schema_version: 2,
                            media_type: None,
                            config: Descriptor::new(oci::CONFIG, digest, config.len() as u64),
                            layers: vec![],
                            annotations: Default::default(),
                        };
                        let tag = format!("v{number}").parse().unwrap();
                        let manifest = serde_json::to_vec(&manifest).unwrap();
                        registry.put_manifest(image, &manifest, oci::MANIFEST, Some(&tag)).await.unwrap();
                    });
                });
            }
        });
        assert_eq!(registry.layout(&image).index().unwrap().manifests.len(), 8);
        fs::remove_dir_all(root).unwrap();
    }
}
