//! Where a tool's release is published: names of platforms, archives and checksum lists.

use std::fmt;
use std::path::PathBuf;

use crate::env::{Env, INFRA_TOOLS_MIRROR};
use crate::error::{Error, Result};
use crate::names::{nearest, quoted};

/// The tools that [`plan`](super::plan) can install.
pub(super) const INSTALLABLE: [&str; 3] = ["terraform", "tofu", NATS_SERVER];

/// Its publisher names files in a way of its own: `nats-server-v2.15.1-linux-amd64.zip`, with a folder of that name in it.
const NATS_SERVER: &str = "nats-server";

/// This machine's platform as publishers name it: `linux_amd64`, `darwin_arm64`, `windows_amd64`.
///
/// ```
/// assert!(infra_sdk::tools::platform().contains('_'));
/// ```
pub fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    format!("{system}_{machine}")
}

/// Checks a version before it becomes part of a path and a URL.
pub(super) fn checked_version(tool: &str, version: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let good = version.starts_with(|c: char| c.is_ascii_digit())
        && version.len() <= 40
        && version.chars().all(plain)
        && !version.contains("..");
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is not a version of {tool}", quoted(version))).hint(format!(
        "write the exact version in infra.toml, such as `[tools.{tool}] version = \"1.11.4\"`"
    )))
}

/// The release of one tool for one platform.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) tool: String,
    pub(super) version: String,
    pub(super) platform: String,
}

impl Release {
    /// The release of `tool` for this machine.
    pub(super) fn of(tool: &str, version: &str) -> Result<Self> {
        if !INSTALLABLE.contains(&tool) {
            let known = nearest(tool, INSTALLABLE).unwrap_or("terraform");
            return Err(Error::invalid(format!("{} cannot be installed by this task", quoted(tool))).hint(
                format!(
                    "install it by hand; only {} are fetched (did you mean `{known}`?)",
                    INSTALLABLE.join(", ")
                ),
            ));
        }
        checked_version(tool, version)?;
        Ok(Release { tool: tool.into(), version: version.into(), platform: platform() })
    }

    /// The archive's file name, such as `terraform_1.11.4_linux_amd64.zip`.
    pub(super) fn archive(&self) -> String {
        self.archive_for(&self.platform)
    }

    fn archive_for(&self, platform: &str) -> String {
        match self.tool.as_str() {
            NATS_SERVER => format!("{}.zip", self.folder_for(platform)),
            tool => format!("{tool}_{}_{platform}.zip", self.version),
        }
    }

    /// The folder in an archive of nats-server.
    fn folder_for(&self, platform: &str) -> String {
        format!("{NATS_SERVER}-v{}-{}", self.version, platform.replace('_', "-"))
    }

    /// The checksum list's file name, such as `terraform_1.11.4_SHA256SUMS`.
    pub(super) fn sums(&self) -> String {
        match self.tool.as_str() {
            NATS_SERVER => "SHA256SUMS".into(),
            tool => format!("{tool}_{}_SHA256SUMS", self.version),
        }
    }

    /// The platform an archive of this release is for, by its file name.
    pub(super) fn platform_of(&self, file: &str) -> Option<String> {
        let begin = self.archive_for("");
        let platform = file.strip_prefix(begin.strip_suffix(".zip")?)?.strip_suffix(".zip")?;
        Some(platform.replacen('-', "_", usize::from(self.tool == NATS_SERVER)))
    }

    /// The program's name inside the archive.
    pub(super) fn program(&self) -> String {
        let name = format!("{}{}", self.tool, std::env::consts::EXE_SUFFIX);
        match self.tool.as_str() {
            NATS_SERVER => format!("{}/{name}", self.folder_for(&self.platform)),
            _ => name,
        }
    }
}

/// Where archives come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The publisher's own server.
    Publisher,
    /// A folder laid out as `<tool>/<version>/<file>`.
    Folder(PathBuf),
    /// A server with the same layout.
    Server(String),
}

/// One file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Url(String),
}

impl Origin {
    /// The mirror named by `INFRA_TOOLS_MIRROR`, or the publisher.
    pub(super) fn of(env: &Env) -> Result<Self> {
        let Some(mirror) = env.get(INFRA_TOOLS_MIRROR) else { return Ok(Origin::Publisher) };
        let mirror = mirror.trim_end_matches('/');
        let folder = PathBuf::from(mirror.strip_prefix("file://").unwrap_or(mirror));
        if folder.is_absolute() {
            return Ok(Origin::Folder(folder));
        }
        let rest = mirror.strip_prefix("https://").or_else(|| {
            // Plain HTTP can be read and changed on the way; on this machine itself it cannot.
            mirror.strip_prefix("http://").filter(|rest| {
                let host = rest.split('/').next().unwrap_or_default();
                let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
                matches!(name, "127.0.0.1" | "localhost" | "[::1]")
            })
        });
        match rest {
            Some(rest) if !rest.is_empty() && !rest.contains([' ', '@', '?', '#']) => {
                Ok(Origin::Server(mirror.into()))
            }
            _ => Err(Error::invalid(format!("INFRA_TOOLS_MIRROR is set to {}", quoted(mirror)))
                .hint("set it to an absolute folder, a `file://` URL or an `https://` URL (`http://` on 127.0.0.1 only) that holds <tool>/<version>/<archive>")),
        }
    }

    /// Where `file` of a release is.
    pub(super) fn place(&self, release: &Release, file: &str) -> Place {
        let (tool, version) = (&release.tool, &release.version);
        match self {
            Origin::Folder(folder) => Place::File(folder.join(tool).join(version).join(file)),
            Origin::Server(base) => Place::Url(format!("{base}/{tool}/{version}/{file}")),
            Origin::Publisher if tool == "tofu" => Place::Url(format!(
                "https://github.com/opentofu/opentofu/releases/download/v{version}/{file}"
            )),
            Origin::Publisher if tool == NATS_SERVER => Place::Url(format!(
                "https://github.com/nats-io/nats-server/releases/download/v{version}/{file}"
            )),
            Origin::Publisher => {
                Place::Url(format!("https://releases.hashicorp.com/{tool}/{version}/{file}"))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Url(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(mirror: &str) -> Result<Origin> {
        Origin::of(&Env::of([(INFRA_TOOLS_MIRROR, mirror)], "/"))
    }

    #[test]
    fn releases_are_found_where_their_publishers_put_them() {
        let place = |tool| {
            let release =
                Release { tool: String::from(tool), version: "1.2.3".into(), platform: "linux_arm64".into() };
            Origin::Publisher.place(&release, &release.archive()).to_string()
        };
        assert_eq!(
            place("terraform"),
            "https://releases.hashicorp.com/terraform/1.2.3/terraform_1.2.3_linux_arm64.zip"
        );
        assert_eq!(
            place("tofu"),
            "https://github.com/opentofu/opentofu/releases/download/v1.2.3/tofu_1.2.3_linux_arm64.zip"
        );
        assert_eq!(
            place("nats-server"),
            "https://github.com/nats-io/nats-server/releases/download/v1.2.3/nats-server-v1.2.3-linux-arm64.zip"
        );
    }

    #[test]
    fn archives_are_told_apart_by_platform_whatever_their_publisher_calls_them() {
        for (tool, file, program) in [
            ("terraform", "terraform_1.2.3_linux_arm64.zip", "terraform"),
            (
                "nats-server",
                "nats-server-v1.2.3-linux-arm64.zip",
                "nats-server-v1.2.3-linux-arm64/nats-server",
            ),
        ] {
            let release =
                Release { tool: tool.into(), version: "1.2.3".into(), platform: "linux_arm64".into() };
            assert_eq!(release.archive(), file);
            assert_eq!(release.platform_of(file).as_deref(), Some("linux_arm64"));
            assert_eq!(release.platform_of(&file.replace("1.2.3", "1.2.4")), None);
            assert_eq!(release.program(), format!("{program}{}", std::env::consts::EXE_SUFFIX));
        }
    }

    #[test]
    fn a_mirror_is_a_folder_or_a_safe_url() {
        assert_eq!(origin("/srv/tools/").unwrap(), Origin::Folder("/srv/tools".into()));
        assert_eq!(origin("file:///srv/tools").unwrap(), Origin::Folder("/srv/tools".into()));
        assert!(matches!(origin("https://tools.example/x").unwrap(), Origin::Server(_)));
        assert!(matches!(origin("http://127.0.0.1:8080").unwrap(), Origin::Server(_)));
        for bad in ["http://tools.example", "http://127.0.0.1.evil.example", "tools", "https://", "ftp://x"] {
            let error = origin(bad).unwrap_err();
            assert!(error.hints()[0].contains("https://"), "{bad}");
        }
    }

    #[test]
    fn a_version_that_could_leave_its_folder_is_refused() {
        for bad in ["", "latest", "../1.0", "1..0", "1/2", "1 0", &"1".repeat(41)] {
            assert!(Release::of("terraform", bad).is_err(), "{bad}");
        }
        assert!(Release::of("tofu", "1.10.0-beta1").is_ok());
        assert!(Release::of("terrafrom", "1.0.0").unwrap_err().hints()[0].contains("`terraform`"));
    }
}
