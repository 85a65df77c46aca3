//! What an image is made of, from code or from `infra.toml`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::config::Image;
use crate::error::{Error, ErrorKind, Result};
use crate::images::oci::Platform;
use crate::names::{ImageName, quoted};

/// What an image is made of.
///
/// ```
/// use infra_sdk::images::{ImageSpec, Platform};
/// # fn main() -> infra_sdk::Result<()> {
/// let spec = ImageSpec::new("shop-api/app".parse()?, "dist", ["server", "--quiet"])
///     .version("1.4.0")
///     .platform(Platform::linux("arm64"));
/// assert_eq!(spec.dir, "/app");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ImageSpec {
    /// The name it will have in registries.
    pub name: ImageName,
    /// The folder whose files become the image, or the one file.
    pub files: PathBuf,
    /// Where the files stand in the image.
    pub dir: String,
    /// The program and its arguments; a relative program is looked up under `dir`.
    pub entrypoint: Vec<String>,
    /// Variables set in the image; never secrets.
    pub env: BTreeMap<String, String>,
    /// The machine the program in it was built for.
    pub platform: Platform,
    /// Notes in the image, such as its version.
    pub labels: BTreeMap<String, String>,
}

impl ImageSpec {
    /// An image of `files` under `/app`, for the platform of this machine.
    pub fn new<A: Into<String>>(
        name: ImageName,
        files: impl Into<PathBuf>,
        entrypoint: impl IntoIterator<Item = A>,
    ) -> Self {
        ImageSpec {
            name,
            files: files.into(),
            dir: "/app".into(),
            entrypoint: entrypoint.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            platform: Platform::host(),
            labels: BTreeMap::new(),
        }
    }

    /// What `[image.NAME]` says, for a repo whose root is `repo`.
    ///
    /// # Errors
    /// `NotBuilt` for a Dockerfile, which this version can not build; `Invalid` when `files` is not a path inside the repo,
    /// or a link that leads out of it.
    pub fn of_config(name: ImageName, image: &Image, repo: &Path) -> Result<Self> {
        let Some(wanted) = &image.files else {
            return Err(Error::new(
                ErrorKind::NotBuilt,
                "this version builds images from files, not from a Dockerfile",
            )
            .with("image", name)
            .hint("set `files` and `entrypoint` of the image in infra.toml")
            .hint("or build it with a container engine in a task of your own"));
        };
        let files = Path::new(wanted);
        let inside = files.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if wanted.is_empty() || !inside {
            return Err(Error::invalid(format!("files {} is not a path inside this repo", quoted(wanted)))
                .hint("write `files` in infra.toml relative to the repo, without `..`, like `dist`"));
        }
        // What is not there is told when the image is made.
        if let (Ok(repo), Ok(found)) = (repo.canonicalize(), repo.join(files).canonicalize())
            && !found.starts_with(&repo)
        {
            return Err(Error::invalid(format!("files {} leads out of this repo", quoted(wanted)))
                .with("to", found.display())
                .hint(
                    "copy what belongs into the image into a folder of the repo, and name that in `files`",
                ));
        }
        let mut spec = Self::new(name, repo.join(files), image.entrypoint.iter().cloned());
        spec.dir.clone_from(&image.dir);
        spec.env.clone_from(&image.env);
        Ok(spec)
    }

    /// What `[image.NAME]` says, once for each of its platforms; `{os}` and `{arch}` in `files` are then the platform's.
    /// Without platforms it is one, for this machine.
    ///
    /// # Errors
    /// As [`of_config`](ImageSpec::of_config); `Invalid` for a platform that is not written like `linux/arm64`.
    pub fn all_of_config(name: ImageName, image: &Image, repo: &Path) -> Result<Vec<Self>> {
        let one = |platform: Platform| {
            let placed = |files: &String| {
                files.replace("{os}", &platform.os).replace("{arch}", &platform.architecture)
            };
            let image = Image { files: image.files.as_ref().map(placed), ..image.clone() };
            Ok(Self::of_config(name.clone(), &image, repo)?.platform(platform))
        };
        if image.platforms.is_empty() {
            return Ok(vec![one(Platform::host())?]);
        }
        image.platforms.iter().map(|platform| one(platform.parse()?)).collect()
    }

    /// Notes the version (`org.opencontainers.image.version`).
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        self.label("org.opencontainers.image.version", version)
    }

    /// Notes the commit (`org.opencontainers.image.revision`).
    #[must_use]
    pub fn revision(self, commit: impl Into<String>) -> Self {
        self.label("org.opencontainers.image.revision", commit)
    }

    /// Notes where the code stands (`org.opencontainers.image.source`).
    #[must_use]
    pub fn source(self, url: impl Into<String>) -> Self {
        self.label("org.opencontainers.image.source", url)
    }

    /// Adds a note.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets the machine the program was built for.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_may_not_lead_the_files_of_an_image_out_of_the_repo() {
        let root = std::env::temp_dir().join(format!("infra-sdk-spec-{}", crate::id::short().unwrap()));
        let repo = root.join("repo");
        std::fs::create_dir_all(repo.join("target/dist")).unwrap();
        std::fs::create_dir_all(root.join("outside")).unwrap();
        std::os::unix::fs::symlink("../outside", repo.join("out")).unwrap();
        std::os::unix::fs::symlink(repo.join("target"), repo.join("in")).unwrap();
        let spec = |files: &str| {
            let image = Image {
                files: Some(files.into()),
                dockerfile: None,
                context: None,
                platforms: Vec::new(),
                dir: "/srv".into(),
                entrypoint: vec!["server".into()],
                env: BTreeMap::new(),
            };
            ImageSpec::of_config("shop-api/app".parse().unwrap(), &image, &repo)
        };
        let error = spec("out").unwrap_err();
        assert!(
            error.to_string().contains("leads out of this repo") && !error.hints().is_empty(),
            "{error:?}"
        );
        for good in ["in/dist", "target/dist", "not-built-yet"] {
            assert!(spec(good).is_ok(), "{good}");
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_files_of_an_image_stand_in_the_repo() {
        let spec = |files: &str| {
            let image = Image {
                files: Some(files.into()),
                dockerfile: None,
                context: None,
                platforms: Vec::new(),
                dir: "/srv".into(),
                entrypoint: vec!["server".into()],
                env: [("A".to_owned(), "1".to_owned())].into(),
            };
            ImageSpec::of_config("shop-api/app".parse()?, &image, Path::new("/repo"))
        };
        for files in ["", "..", "/etc", "a/../.."] {
            assert!(spec(files).unwrap_err().hints()[0].contains("relative to the repo"), "{files:?}");
        }
        let mut image = Image {
            files: Some("dist/{os}-{arch}/app".into()),
            dockerfile: None,
            context: None,
            platforms: vec!["linux/arm64".into(), "linux/amd64".into()],
            dir: "/srv".into(),
            entrypoint: vec!["app".into()],
            env: BTreeMap::new(),
        };
        let all = ImageSpec::all_of_config("app".parse().unwrap(), &image, Path::new("/repo")).unwrap();
        assert_eq!(all[0].files, Path::new("/repo/dist/linux-arm64/app"));
        assert_eq!((all.len(), all[1].platform.to_string().as_str()), (2, "linux/amd64"));
        image.platforms.clear();
        let all = ImageSpec::all_of_config("app".parse().unwrap(), &image, Path::new("/repo")).unwrap();
        assert_eq!((all.len(), &all[0].platform), (1, &Platform::host()));
        image.platforms.push("arm".into());
        assert!(ImageSpec::all_of_config("app".parse().unwrap(), &image, Path::new("/repo")).is_err());
        let good = spec("dist/app").unwrap();
        assert_eq!((good.files.as_path(), good.dir.as_str()), (Path::new("/repo/dist/app"), "/srv"));
        assert_eq!((good.entrypoint.as_slice(), good.env.len()), (&["server".to_owned()][..], 1));
    }
}
