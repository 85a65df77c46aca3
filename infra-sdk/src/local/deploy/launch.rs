//! How a release is started: its program in the unpacked image, and the variables it gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::deploy::{Release, ReleaseSpec};
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::images::UnpackedImage;
use crate::local::deploy::folder::Folder;
use crate::names::SecretName;
use crate::process::Cmd;
use crate::secret::{self, SecretValue};

/// Variables of this machine that a program cannot do without; all others stay outside.
pub(super) const KEPT: [&str; 2] = ["PATH", "SystemRoot"];

/// All that is needed to start a release, kept beside it in `env.json`, which only its owner may read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Launch {
    /// Both below the unpacked image, so that the folder may move.
    program: PathBuf,
    working_dir: PathBuf,
    args: Vec<String>,
    image_env: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<SecretName, SecretValue>,
}

impl Launch {
    /// Finds the program of an unpacked image and checks that it can be started.
    pub(super) fn new(image: &UnpackedImage, spec: &ReleaseSpec) -> Result<Self> {
        let program = image.program()?;
        #[cfg(unix)]
        if !program
            .metadata()
            .is_ok_and(|meta| std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0)
        {
            return Err(Error::invalid("the program of the image is not executable")
                .with("program", image.info.entrypoint.first().map_or("", String::as_str))
                .with("image", &spec.image)
                .hint("make it executable (`chmod +x`) before the image is built from it"));
        }
        let below = |path: PathBuf| match path.strip_prefix(&image.rootfs) {
            Ok(path) => Ok(path.to_owned()),
            Err(_) => Err(Error::new(ErrorKind::Bug, "an unpacked image leads out of its folder")),
        };
        Ok(Launch {
            program: below(program)?,
            working_dir: below(image.working_dir())?,
            args: image.info.entrypoint.iter().skip(1).cloned().collect(),
            image_env: image.info.env.clone(),
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
        let rootfs = dir.join("rootfs");
        let program = rootfs.join(&self.program);
        let mut cmd = Cmd::new(program).args(&self.args).dir(rootfs.join(&self.working_dir)).env_clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::images::{ImageInfo, Platform};

    fn launch(scratch: &Path, program: &str) -> Result<Launch> {
        let info = ImageInfo {
            name: "app".parse()?,
            digest: Digest::of(b""),
            entrypoint: vec![program.into(), "--serve".into()],
            env: BTreeMap::from([("MODE".into(), "image".into())]),
            working_dir: "/app".into(),
            labels: BTreeMap::new(),
            platform: Platform::host(),
        };
        let mut spec = ReleaseSpec::new("shop".parse()?, "app".parse()?, Digest::of(b""), "1");
        spec.secrets.insert("KEY".parse()?, SecretValue::new("canary"));
        Launch::new(&UnpackedImage::at(info, scratch.join("rootfs")), &spec)
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
        assert!(launch(&scratch, "server").unwrap_err().to_string().contains("not executable"));
        for bad in ["/app/link", "/app/../../../../bin/sh", "/app", "/app/none", ""] {
            assert_eq!(launch(&scratch, bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
        std::fs::set_permissions(app.join("server"), PermissionsExt::from_mode(0o755)).unwrap();
        let launch = launch(&scratch, "server").unwrap();
        launch.save(&scratch).unwrap();
        assert_eq!(Launch::load(&scratch).unwrap().unwrap(), launch);
        assert_eq!(scratch.join("env.json").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{launch:?}").contains("canary"));
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
