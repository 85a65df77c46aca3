//! How a release is started: its program in the unpacked image, and the variables it gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::deploy::{Release, ReleaseSpec};
use crate::digest::Digest;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::local::deploy::folder::Folder;
use crate::names::{SecretName, quoted};
use crate::process::Cmd;
use crate::secret::{self, SecretValue};

/// Variables of this machine that a program cannot do without; all others stay outside.
pub(super) const KEPT: [&str; 2] = ["PATH", "SystemRoot"];

/// Where images come from.
#[async_trait]
pub trait ImageSource: Send + Sync {
    /// Writes an image's files below `into` after checking every digest.
    ///
    /// # Errors
    /// `NotFound` when the image is not there, `Invalid` when it is damaged, `Denied` or `Io`.
    async fn unpack(&self, image: &str, digest: &Digest, into: &Path) -> Result<UnpackedImage>;
}

/// An image as files.
#[derive(Clone, Debug)]
pub struct UnpackedImage {
    /// The folder that is `/` in the image.
    pub rootfs: PathBuf,
    /// The program, as a path in the image, and its arguments.
    pub entrypoint: Vec<String>,
    /// The variables set in the image.
    pub env: BTreeMap<String, String>,
}

/// All that is needed to start a release, kept beside it in `env.json`, which only its owner may read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Launch {
    /// Below the unpacked image, so that the folder may move.
    program: PathBuf,
    args: Vec<String>,
    image_env: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<SecretName, SecretValue>,
}

impl Launch {
    /// Finds the program of an unpacked image and checks that it can be started.
    pub(super) fn new(image: UnpackedImage, spec: &ReleaseSpec) -> Result<Self> {
        let (program, args) = image.entrypoint.split_first().ok_or_else(|| {
            Error::invalid("the image has no entrypoint")
                .with("image", &spec.image)
                .hint("set `entrypoint` of the image in infra.toml")
        })?;
        // In the image `/app/server` is absolute; here it stands below the folder it was unpacked to.
        let program = PathBuf::from(program.trim_start_matches('/'));
        let found = check_program(&image.rootfs, &program);
        found.map_err(|error| error.with("image", &spec.image).with("digest", spec.digest.short()))?;
        Ok(Launch {
            program,
            args: args.to_vec(),
            image_env: image.env,
            env: spec.env.clone(),
            secrets: spec.secrets.clone(),
        })
    }

    pub(super) fn load(release: &Path) -> Result<Option<Self>> {
        file::read_json(&release.join("env.json"))
    }

    pub(super) fn save(&self, release: &Path) -> Result<()> {
        let content = secret::exposing(|| serde_json::to_vec_pretty(self))
            .map_err(|error| Error::new(ErrorKind::Bug, "serialise a release's variables").because(error))?;
        file::write(&release.join("env.json"), &content, Access::Private)
    }

    /// Whether a release with these variables is what `spec` asks for, as far as variables go.
    pub(super) fn fits(&self, spec: &ReleaseSpec) -> bool {
        self.env == spec.env && self.secrets == spec.secrets
    }

    /// The values that must not show up in what the service prints.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretValue> {
        self.secrets.values()
    }

    /// The command that starts the service, with nothing in its environment that is not named here.
    pub(super) fn command(&self, folder: &Folder, release: &Release, machine: &Env) -> Result<Cmd> {
        let dir = folder.release_dir(&release.id);
        let (home, tmp) = (dir.join("home"), dir.join("tmp"));
        file::make_dir(&home, Access::Private)?;
        file::make_dir(&tmp, Access::Private)?;
        let program = dir.join("rootfs").join(&self.program);
        let mut cmd = Cmd::new(&program).args(&self.args).env_clear();
        if let Some(parent) = program.parent() {
            cmd = cmd.dir(parent);
        }
        for name in KEPT {
            if let Some(value) = machine.path(name) {
                cmd = cmd.env(name, value);
            }
        }
        cmd = cmd.env("HOME", &home).env("TMPDIR", &tmp).env("LANG", "C.UTF-8");
        // Variables set later replace those set before.
        for (name, value) in self.image_env.iter().chain(&self.env) {
            cmd = cmd.env(name, value);
        }
        for (name, value) in &self.secrets {
            cmd = cmd.env_secret(name.as_str(), value);
        }
        if let Some(port) = release.port {
            cmd = cmd.env("PORT", port.to_string());
        }
        Ok(cmd.env("RELEASE", release.id.as_str()))
    }
}

/// Checks that `program` is an executable file of the image and no link out of it.
fn check_program(rootfs: &Path, program: &Path) -> Result<()> {
    let shown = quoted(&format!("/{}", program.display()));
    let refuse = |why: &str| {
        Err(Error::invalid(format!("the entrypoint {shown} {why}"))
            .hint("check `files`, `dir` and `entrypoint` of the image in infra.toml, then build it again"))
    };
    let Ok(real) = rootfs.join(program).canonicalize() else { return refuse("is not in the image") };
    let Ok(root) = rootfs.canonicalize() else { return refuse("is not in the image") };
    if !real.starts_with(root) {
        return refuse("leads out of the image");
    }
    let Ok(meta) = real.metadata() else { return refuse("cannot be read") };
    if !meta.is_file() {
        return refuse("is not a file");
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 == 0 {
        return refuse("is not executable");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(scratch: &Path, program: &str) -> Result<Launch> {
        let image = UnpackedImage {
            rootfs: scratch.join("rootfs"),
            entrypoint: vec![program.into(), "--serve".into()],
            env: BTreeMap::from([("MODE".into(), "image".into())]),
        };
        let mut spec = ReleaseSpec::new("shop".parse().unwrap(), "app", Digest::of(b""), "1");
        spec.secrets.insert("KEY".parse().unwrap(), SecretValue::new("canary"));
        Launch::new(image, &spec)
    }

    #[cfg(unix)]
    #[test]
    fn only_an_executable_file_inside_the_image_is_started() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let scratch = std::env::temp_dir().join(format!("infra-sdk-launch-{}", crate::id::short().unwrap()));
        let app = scratch.join("rootfs/app");
        std::fs::create_dir_all(&app).unwrap();
        std::fs::write(app.join("server"), "").unwrap();
        symlink("/bin/sh", app.join("link")).unwrap();
        let refused = |program: &str| launch(&scratch, program).unwrap_err().to_string();
        assert!(refused("/app/server").contains("not executable"));
        assert!(refused("/app/link").contains("leads out"));
        assert!(refused("/app/../../../../bin/sh").contains("the image"));
        assert!(refused("/app").contains("not a file"));
        assert!(refused("/app/none").contains("not in the image"));
        std::fs::set_permissions(app.join("server"), PermissionsExt::from_mode(0o755)).unwrap();
        let launch = launch(&scratch, "/app/server").unwrap();
        launch.save(&scratch).unwrap();
        assert_eq!(Launch::load(&scratch).unwrap().unwrap(), launch);
        assert_eq!(scratch.join("env.json").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{launch:?}").contains("canary"));
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
