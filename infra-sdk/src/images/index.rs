//! One image for several platforms: each built into the same layout, and an index over them.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::images::build::{self, BuildPlan};
use crate::images::built::BuiltImage;
use crate::images::layout::{Layout, to_json};
use crate::images::oci::{self, Descriptor, Index};
use crate::images::spec::ImageSpec;

/// What an image will hold on each platform; nothing is written yet.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct IndexPlan {
    /// One for each platform, sorted by it.
    pub images: Vec<BuildPlan>,
}

impl fmt::Display for IndexPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, image) in self.images.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            image.fmt(f)?;
        }
        Ok(())
    }
}

/// Looks at the files of an image for several platforms, as [`plan`](crate::images::plan) does for each.
///
/// # Errors
/// `Invalid` when there is no platform, one of them twice, or when the images have different names; as
/// [`plan`](crate::images::plan).
pub fn plan_index(specs: &[ImageSpec]) -> Result<IndexPlan> {
    let Some(first) = specs.first() else {
        return Err(Error::invalid("an image for no platform cannot be built")
            .hint("list at least one in `platforms` in infra.toml"));
    };
    let mut sorted: Vec<&ImageSpec> = specs.iter().collect();
    sorted.sort_by(|a, b| a.platform.cmp(&b.platform));
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0].platform == pair[1].platform) {
        return Err(Error::invalid(format!("image {} has platform {} twice", first.name, twice[0].platform))
            .hint("list each platform once in `platforms` in infra.toml"));
    }
    if let Some(other) = specs.iter().find(|spec| spec.name != first.name) {
        return Err(Error::invalid("images of different names cannot be one")
            .with("one", &first.name)
            .with("other", &other.name)
            .hint("give each platform's image the same name"));
    }
    let planned =
        |spec: &&ImageSpec| build::plan(spec).map_err(|error| error.with("platform", &spec.platform));
    Ok(IndexPlan { images: sorted.iter().map(planned).collect::<Result<_>>()? })
}

impl IndexPlan {
    /// Writes the images as one OCI layout into the folder `out`: an index of them, or where there is only one, that one
    /// itself. An image that stands there already is replaced.
    ///
    /// Blocks while it compresses; see [`build_all`].
    ///
    /// # Errors
    /// As [`BuildPlan::apply`].
    pub fn apply(&self, out: &Path) -> Result<BuiltImage> {
        if let [only] = self.images.as_slice() {
            return only.apply(out);
        }
        let layout = Layout::create(out)?;
        let images = self.images.iter().map(|plan| plan.write(&layout)).collect::<Result<Vec<_>>>()?;
        let listed = images
            .iter()
            .map(|image| Descriptor { platform: Some(image.platform.clone()), ..image.descriptor.clone() });
        let content = to_json(&Index { manifests: listed.collect(), ..Index::default() })?;
        let digest = layout.put_bytes(&content)?;
        let descriptor = Descriptor::new(oci::INDEX, digest, content.len() as u64);
        layout.set_only(descriptor.clone())?;
        let name = self.images[0].name.clone();
        Ok(BuiltImage { name, descriptor, images, layout })
    }
}

/// Plans and writes an image for each platform on a thread that may block; the result is one image: an index, or where
/// there is only one platform, that image itself.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use infra_sdk::images::{self, ImageSpec, Platform};
/// let specs = ["amd64", "arm64"].map(|machine| {
///     let spec = ImageSpec::new("shop-api/app".parse().unwrap(), format!("dist/{machine}"), ["server"]);
///     spec.platform(Platform::linux(machine))
/// });
/// let image = images::build_all(&specs, "target/images/app".as_ref()).await?;
/// println!("{}", image.digest());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`plan_index`] and [`IndexPlan::apply`].
pub async fn build_all(specs: &[ImageSpec], out: &Path) -> Result<BuiltImage> {
    let (specs, out) = (specs.to_vec(), out.to_owned());
    let work = tokio::task::spawn_blocking(move || plan_index(&specs)?.apply(&out));
    work.await.map_err(|error| Error::new(ErrorKind::Bug, "build an image").because(error))?
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::images::oci::Platform;

    fn spec(root: &Path, machine: &str) -> ImageSpec {
        let folder = root.join(machine);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("server"), machine).unwrap();
        fs::set_permissions(folder.join("server"), fs::Permissions::from_mode(0o755)).unwrap();
        ImageSpec::new("shop/app".parse().unwrap(), folder, ["server"]).platform(Platform::linux(machine))
    }

    fn scratch() -> PathBuf {
        std::env::temp_dir().join(format!("infra-sdk-index-{}", crate::id::short().unwrap()))
    }

    #[test]
    fn the_order_of_platforms_changes_nothing_and_one_alone_needs_no_index() {
        let root = scratch();
        let (arm, amd) = (spec(&root, "arm64"), spec(&root, "amd64"));
        let build =
            |specs: &[ImageSpec], out: &str| plan_index(specs).unwrap().apply(&root.join(out)).unwrap();
        let both = build(&[arm.clone(), amd.clone()], "one");
        assert_eq!(both.digest(), build(&[amd.clone(), arm.clone()], "two").digest());
        let platforms: Vec<String> = both.platforms().map(ToString::to_string).collect();
        assert_eq!((both.is_index(), platforms.join(" ").as_str()), (true, "linux/amd64 linux/arm64"));
        let alone = build(std::slice::from_ref(&arm), "three");
        assert!(!alone.is_index());
        assert_eq!(alone.digest(), &both.images[1].descriptor.digest, "the image is what it is alone");
        for image in [both, alone] {
            let read = BuiltImage::open(image.name.clone(), image.layout.clone()).unwrap();
            assert_eq!((read.digest(), read.size()), (image.digest(), image.size()));
            assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&image).unwrap());
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_cannot_be_one_image_is_refused() {
        let root = scratch();
        let arm = spec(&root, "arm64");
        let other = ImageSpec { name: "shop/other".parse().unwrap(), ..spec(&root, "amd64") };
        let gone = ImageSpec { files: root.join("none"), ..spec(&root, "386") };
        for (specs, says) in [
            (vec![], "for no platform"),
            (vec![arm.clone(), arm.clone()], "linux/arm64 twice"),
            (vec![arm.clone(), other], "different names"),
            (vec![arm, gone], "platform: linux/386"),
        ] {
            let error = plan_index(&specs).unwrap_err();
            assert!(error.to_string().contains(says) && !error.hints().is_empty(), "{error:?}");
        }
        let layout = Layout::create(root.join("empty")).unwrap();
        let error = BuiltImage::open("shop/app".parse().unwrap(), layout).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        fs::remove_dir_all(root).unwrap();
    }
}
