//! Building an image from a folder: first what will be in it, then the same bytes every time.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::images::built::{BuiltImage, PlatformImage};
use crate::images::files::{self, Entry, EntryKind};
use crate::images::layer;
use crate::images::layout::{Layout, to_json};
use crate::images::oci::{self, Config, Descriptor, History, Manifest, Platform, RootFs, RunConfig};
use crate::images::spec::ImageSpec;
use crate::names::{ImageName, quoted};

/// The time that every image says it was made at, so that the clock does not change its digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

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
        let (platform, files, bytes) = (&self.platform, self.files, self.bytes);
        write!(f, "image {} for {platform}: {files} files, {bytes} bytes, ", self.name)?;
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
        let image = self.write(&layout)?;
        let descriptor = image.descriptor.clone();
        layout.set_only(descriptor.clone())?;
        Ok(BuiltImage { name: self.name.clone(), descriptor, images: vec![image], layout })
    }

    /// Writes layer, configuration and manifest, without listing them.
    pub(super) fn write(&self, layout: &Layout) -> Result<PlatformImage> {
        let layer = layer::write(&self.entries, layout)?;
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
        Ok(PlatformImage { platform: self.platform.clone(), descriptor, manifest })
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

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("infra-sdk-build-{}", crate::id::short().unwrap()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn file(path: &Path, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn spec(folder: &Path) -> ImageSpec {
        ImageSpec::new("shop/app".parse().unwrap(), folder, ["server"])
            .platform(Platform::linux("amd64"))
            .version("1")
    }

    #[test]
    fn the_same_files_give_the_same_bytes_whatever_their_order_modes_and_times() {
        let root = scratch();
        let (one, two) = (root.join("one"), root.join("two"));
        file(&one.join("server"), 0o755);
        file(&one.join("web/a.css"), 0o644);
        file(&one.join("web-b"), 0o644);
        symlink("server", one.join("start")).unwrap();
        symlink("server", root.join("two-start")).unwrap();
        file(&two.join("web-b"), 0o600);
        file(&two.join("web/a.css"), 0o664);
        file(&two.join("server"), 0o500);
        fs::rename(root.join("two-start"), two.join("start")).unwrap();
        fs::set_permissions(two.join("web"), Permissions::from_mode(0o700)).unwrap();
        let past = SystemTime::now() - Duration::from_secs(1_000_000);
        fs::File::open(two.join("web-b")).unwrap().set_modified(past).unwrap();
        let build = |from: &Path, out: &str| plan(&spec(from)).unwrap().apply(&root.join(out)).unwrap();
        let (first, second) = (build(&one, "out-1"), build(&two, "out-2"));
        assert_eq!(first.digest(), second.digest());
        assert_eq!(build(&one, "out-1").digest(), first.digest());
        // The layer before compression is pinned, so that no upgrade of a crate changes it unseen.
        let config = fs::read(first.layout.blob_path(&first.images[0].manifest.config.digest)).unwrap();
        let config: Config = serde_json::from_slice(&config).unwrap();
        assert_eq!(config.rootfs.diff_ids[0].short(), "1a255456bc66");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_was_damaged_is_built_anew_and_what_a_killed_build_left_goes_after_a_day() {
        let root = scratch();
        file(&root.join("dist/server"), 0o755);
        let build = || plan(&spec(&root.join("dist"))).unwrap().apply(&root.join("out")).unwrap();
        let built = build();
        let blobs = root.join("out/blobs/sha256");
        let whole = |blob: &Path| {
            let (found, _) = crate::Digest::of_reader(fs::File::open(blob).unwrap()).unwrap();
            found.hex() == blob.file_name().unwrap().to_str().unwrap()
        };
        let kept: Vec<PathBuf> = fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(kept.len(), 3, "a layer, a configuration, a manifest");
        for blob in &kept {
            let good = fs::read(blob).unwrap();
            for bad in [&good[..good.len() / 2], &vec![b'x'; good.len()]] {
                fs::write(blob, bad).unwrap();
                assert_eq!(build().digest(), built.digest());
                assert!(whole(blob), "{}", blob.display());
            }
        }
        let (old, new) = (blobs.join(".new.1.tmp"), blobs.join(".new.2.tmp"));
        for left in [&old, &new] {
            fs::write(left, "x").unwrap();
        }
        let past = SystemTime::now() - Duration::from_secs(25 * 3600);
        fs::File::options().write(true).open(&old).unwrap().set_modified(past).unwrap();
        build();
        assert!(!old.exists() && new.exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_cannot_stand_in_an_image_is_refused_by_name() {
        let root = scratch();
        let refused = |name: &str, spoil: &dyn Fn(&Path)| {
            let folder = root.join(name);
            file(&folder.join("server"), 0o755);
            spoil(&folder);
            let error = plan(&spec(&folder)).unwrap_err();
            assert!(!error.hints().is_empty(), "{error:?}");
            error.report().to_string()
        };
        let link = |target: &'static str| move |folder: &Path| symlink(target, folder.join("link")).unwrap();
        for (name, target) in [("up", "../up-x"), ("absolute", "/etc/passwd"), ("round", "link")] {
            assert!(refused(name, &link(target)).contains("leads out of the folder"), "{target}");
        }
        let socket = |folder: &Path| drop(std::os::unix::net::UnixListener::bind(folder.join("s")).unwrap());
        assert!(refused("socket", &socket).contains("only files, folders and links"));
        for name in [".env", ".env.staging"] {
            let secret = |folder: &Path| file(&folder.join(name), 0o600);
            assert!(refused("private", &secret).contains("private to a checkout"), "{name}");
        }
        assert!(refused("repo", &|folder| fs::create_dir(folder.join(".git")).unwrap()).contains("private"));
        assert!(refused("whiteout", &|folder| file(&folder.join(".wh.x"), 0o644)).contains(".wh."));
        let latin = std::ffi::OsStr::new("x").to_owned();
        let not_utf8 = |folder: &Path| {
            use std::os::unix::ffi::OsStringExt;
            let name = [latin.clone().into_vec(), vec![0xe9]].concat();
            fs::write(folder.join(std::ffi::OsString::from_vec(name)), "").unwrap();
        };
        if cfg!(target_os = "linux") {
            assert!(refused("latin", &not_utf8).contains("not UTF-8"));
        }
        assert!(refused("plain", &|folder| file(&folder.join("server"), 0o644)).contains("chmod +x"));
        assert!(refused("gone", &|folder| fs::remove_dir_all(folder).unwrap()).contains("not there"));
        assert!(
            refused("empty", &|folder| fs::remove_file(folder.join("server")).unwrap()).contains("is empty")
        );
        let renamed = |folder: &Path| fs::rename(folder.join("server"), folder.join("serve")).unwrap();
        assert!(refused("renamed", &renamed).contains("did you mean `/app/serve`?"));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_wrong_word_in_the_configuration_is_refused() {
        let root = scratch();
        file(&root.join("dist/server"), 0o755);
        let good = spec(&root.join("dist"));
        for dir in ["", "app", "/a/../b", "/..", "//", "/a//b", "/./a", "/a\n"] {
            assert!(plan(&ImageSpec { dir: dir.into(), ..good.clone() }).is_err(), "{dir:?}");
        }
        assert_eq!(plan(&ImageSpec { dir: "/".into(), ..good.clone() }).unwrap().entrypoint, ["/server"]);
        for entrypoint in [&[][..], &[""], &["../server"], &["/bin/sh"], &["server/x"], &["/app"]] {
            let entrypoint = entrypoint.iter().map(ToString::to_string).collect();
            assert!(plan(&ImageSpec { entrypoint, ..good.clone() }).is_err());
        }
        let env = [("A=B".to_owned(), String::new())].into();
        assert!(plan(&ImageSpec { env, ..good.clone() }).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_file_that_changes_between_plan_and_apply_stops_the_build() {
        let root = scratch();
        for (name, content) in [("longer", "a longer text"), ("shorter", "x")] {
            let folder = root.join(name);
            file(&folder.join("server"), 0o755);
            let plan = plan(&spec(&folder)).unwrap();
            fs::write(folder.join("server"), content).unwrap();
            let out = root.join(format!("out-{name}"));
            assert_eq!(plan.apply(&out).unwrap_err().kind(), ErrorKind::Conflict);
            assert_eq!(fs::read_dir(out.join("blobs/sha256")).unwrap().count(), 0);
        }
        fs::remove_dir_all(root).unwrap();
    }
}
