//! Building an image from a folder: first what will be in it, then the same bytes every time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Image;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::files::{self, Entry, EntryKind};
use crate::images::layer;
use crate::images::layout::{Layout, to_json};
use crate::images::oci::{self, Config, Descriptor, History, Manifest, Platform, RootFs, RunConfig};
use crate::names::{ImageName, quoted};

/// The time that every image says it was made at, so that the clock does not change its digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

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
    /// The folder whose files become the image.
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
    /// `Invalid` when `files` is not a path inside the repo.
    pub fn of_config(name: ImageName, image: &Image, repo: &Path) -> Result<Self> {
        let files = Path::new(&image.files);
        let inside = files
            .components()
            .all(|c| matches!(c, std::path::Component::Normal(_) | std::path::Component::CurDir));
        if image.files.is_empty() || !inside {
            return Err(Error::invalid(format!(
                "files {} is not a folder of this repo",
                quoted(&image.files)
            ))
            .hint("write `files` in infra.toml relative to the repo, without `..`, like `dist`"));
        }
        let mut spec = Self::new(name, repo.join(files), image.entrypoint.iter().cloned());
        spec.dir.clone_from(&image.dir);
        spec.env.clone_from(&image.env);
        Ok(spec)
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

/// What an image will hold; nothing is written yet.
#[derive(Clone, Debug, Serialize)]
pub struct BuildPlan {
    /// The image's name.
    pub name: ImageName,
    /// How many files and links it will hold.
    pub files: usize,
    /// Their size before compression, in bytes.
    pub bytes: u64,
    /// The program with its path in the image, and its arguments.
    pub entrypoint: Vec<String>,
    #[serde(skip)]
    entries: Vec<Entry>,
    #[serde(skip)]
    platform: Platform,
    #[serde(skip)]
    run: RunConfig,
}

impl fmt::Display for BuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Platform { os, architecture } = &self.platform;
        write!(
            f,
            "image {} for {os}/{architecture}: {} files, {} bytes, ",
            self.name, self.files, self.bytes
        )?;
        write!(f, "runs `{}`", self.entrypoint.join(" "))
    }
}

/// Looks at the files of an image and checks everything that can be known before writing.
///
/// Blocks while it reads the folder; see [`build`].
///
/// # Errors
/// `NotFound` when the folder or the program is not there; `Invalid` when the folder is empty, when it holds a link
/// that leads out of it, a device, a socket or a name that is not UTF-8, or when `dir`, the program or a variable is
/// wrong; `Denied` or `Io` when a file cannot be read.
pub fn plan(spec: &ImageSpec) -> Result<BuildPlan> {
    let dir = files::image_dir(&spec.dir)?;
    let Some((program, arguments)) = spec.entrypoint.split_first() else {
        return Err(Error::invalid(format!("image {} has no entrypoint", spec.name))
            .hint("name a program of the image's files in `entrypoint` in infra.toml"));
    };
    for (name, value) in &spec.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Error::invalid(format!("variable {} cannot be set in an image", quoted(name)))
                .hint("use a name without `=` and a value without a NUL byte"));
        }
    }
    let entries = files::scan(&spec.files, &dir)?;
    let program = files::program(&entries, &spec.files, &dir, program)?;
    let entrypoint: Vec<String> = std::iter::once(program).chain(arguments.iter().cloned()).collect();
    let sizes = entries.iter().filter_map(|entry| match entry.kind {
        EntryKind::File { size, .. } => Some(size),
        EntryKind::Link { .. } => Some(0),
        EntryKind::Folder => None,
    });
    let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(BuildPlan {
        name: spec.name.clone(),
        files: sizes.clone().count(),
        bytes: sizes.sum(),
        platform: spec.platform.clone(),
        run: RunConfig {
            env: Some(env),
            entrypoint: Some(entrypoint.clone()),
            cmd: None,
            working_dir: Some(dir),
            labels: (!spec.labels.is_empty()).then(|| spec.labels.clone()),
        },
        entrypoint,
        entries,
    })
}

impl BuildPlan {
    /// Writes the image as an OCI layout into the folder `out`; an image that stands there already is replaced.
    ///
    /// Blocks while it compresses; see [`build`].
    ///
    /// # Errors
    /// `Conflict` when a file changed since the plan; `Denied` or `Io`, with the path.
    pub fn apply(&self, out: &Path) -> Result<BuiltImage> {
        let layout = Layout::create(out)?;
        let layer = layer::write(&self.entries, &layout)?;
        let config = Config {
            created: Some(CREATED.into()),
            architecture: self.platform.architecture.clone(),
            os: self.platform.os.clone(),
            config: self.run.clone(),
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![layer.diff_id] },
            history: vec![History { created: Some(CREATED.into()), created_by: Some("infra-sdk".into()) }],
        };
        let config = to_json(&config)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(oci::MANIFEST.into()),
            config: Descriptor::new(oci::CONFIG, layout.put_bytes(&config)?, config.len() as u64),
            layers: vec![layer.descriptor],
            annotations: self.run.labels.clone().unwrap_or_default(),
        };
        let content = to_json(&manifest)?;
        let digest = layout.put_bytes(&content)?;
        let descriptor = Descriptor::new(oci::MANIFEST, digest, content.len() as u64);
        layout.set_only(descriptor.clone())?;
        Ok(BuiltImage { name: self.name.clone(), descriptor, manifest, layout })
    }
}

/// Plans and writes an image on a thread that may block.
///
/// # Errors
/// As [`plan`] and [`BuildPlan::apply`].
pub async fn build(spec: &ImageSpec, out: &Path) -> Result<BuiltImage> {
    let (spec, out) = (spec.clone(), out.to_owned());
    let work = tokio::task::spawn_blocking(move || plan(&spec)?.apply(&out));
    work.await.map_err(|error| Error::new(ErrorKind::Bug, "build an image").because(error))?
}

/// An image that was built, as a layout folder on disk.
#[derive(Clone, Debug)]
pub struct BuiltImage {
    /// Its name.
    pub name: ImageName,
    /// Where its manifest stands.
    pub descriptor: Descriptor,
    /// Its parts.
    pub manifest: Manifest,
    /// The folder that holds it.
    pub layout: Layout,
}

impl BuiltImage {
    /// The digest that names exactly this image.
    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    /// The size of its configuration and layers as they are stored, in bytes.
    pub fn size(&self) -> u64 {
        self.blobs().map(|blob| blob.size).sum()
    }

    /// The digests of its layers, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = &Digest> {
        self.manifest.layers.iter().map(|layer| &layer.digest)
    }

    /// Layers and configuration: everything a registry needs before the manifest.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifest.layers.iter().chain(std::iter::once(&self.manifest.config))
    }
}

impl Serialize for BuiltImage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("BuiltImage", 4)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("digest", self.digest())?;
        fields.serialize_field("size", &self.size())?;
        fields.serialize_field("layers", &self.layers().collect::<Vec<_>>())?;
        fields.end()
    }
}

impl fmt::Display for BuiltImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {} {} ({} bytes)", self.name, self.digest(), self.size())
    }
}
