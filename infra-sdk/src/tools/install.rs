//! Installing pinned tools: what would be fetched, then fetching it, checking its digest and putting it in its place.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Lock, Tool};
use crate::digest::Digest;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::file::{self, Access, FileLock, Temporary};
use crate::names::{Label, quoted};
use crate::process::Cmd;
use crate::tools::download::Fetch;
use crate::tools::release::{Origin, Place, Release};
use crate::tools::{Standing, check, find, unzip};

/// The largest archive; Terraform's is 30 MB.
const ARCHIVE_LIMIT: u64 = 300_000_000;
/// The largest program; Terraform's is 90 MB.
const PROGRAM_LIMIT: u64 = 1_000_000_000;
const SUMS_LIMIT: u64 = 1_000_000;

/// What [`apply`] will fetch.
#[derive(Clone, Debug, Serialize)]
pub struct InstallPlan {
    /// The tools to fetch; empty when all are there.
    pub steps: Vec<InstallStep>,
    /// Those that are missing and that nobody fetches here, with what to do about each.
    pub by_hand: Vec<String>,
}

impl InstallPlan {
    /// Nothing when the plan brings all that is missing.
    ///
    /// # Errors
    /// `NotFound` with what to do by hand about each of the others.
    pub fn left(&self) -> Result<()> {
        if self.by_hand.is_empty() {
            return Ok(());
        }
        let error = Error::not_found("some tools can only be installed by hand");
        Err(self.by_hand.iter().fold(error, |error, what| error.hint(what)))
    }
}

/// One tool to fetch.
#[derive(Clone, Debug, Serialize)]
pub struct InstallStep {
    /// The program's name.
    pub tool: Label,
    /// The exact version.
    pub version: String,
    /// This machine's platform, such as `linux_amd64`.
    pub platform: String,
    /// The URL or the file of the archive.
    pub from: String,
    /// Where the program will stand.
    pub to: PathBuf,
    /// The archive's digest; `None` when it is taken from the publisher's list this once.
    pub digest: Option<Digest>,
    #[serde(skip)]
    release: Release,
    #[serde(skip)]
    origin: Origin,
}

/// What [`apply`] fetched.
#[derive(Clone, Debug, Serialize)]
pub struct Installed {
    /// The tools, as they were planned.
    pub steps: Vec<InstallStep>,
}

/// Finds out which of `tools` must be fetched and from where: the publisher, or the mirror that `INFRA_TOOLS_MIRROR`
/// names, a folder or URL that holds `<tool>/<version>/<archive>` and, for digests nobody knows yet, the publisher's list
/// beside it: `<tool>_<version>_SHA256SUMS`, for nats-server `SHA256SUMS`. A digest in `infra.toml` goes before the one in `lock`.
///
/// # Errors
/// `Invalid` when a version is none or the mirror is no folder or safe URL.
pub async fn plan(tools: &BTreeMap<Label, Tool>, env: &Env, home: &Path, lock: &Lock) -> Result<InstallPlan> {
    let (mut steps, mut by_hand) = (Vec::new(), Vec::new());
    for status in check(tools, env, home).await?.tools {
        if status.standing == Standing::Ok {
            continue;
        }
        if !status.can_be_installed() {
            by_hand.push(status.remedy());
            continue;
        }
        let (name, version) = (status.name, status.wanted);
        let release = Release::of(name.as_str(), &version)?;
        let origin = Origin::of(env)?;
        let pinned = tools.get(&name).and_then(|tool| tool.sha256.get(&release.platform));
        steps.push(InstallStep {
            from: origin.place(&release, &release.archive()).to_string(),
            to: find::installed_path(home, name.as_str(), &version),
            digest: pinned.or_else(|| lock.tool(&name, &version, &release.platform)).cloned(),
            platform: release.platform.clone(),
            tool: name,
            version,
            release,
            origin,
        });
    }
    Ok(InstallPlan { steps, by_hand })
}

/// Fetches what `plan` says. Each program is whole in its place or not there at all. `start` begins the
/// downloader's commands, so that their output goes to the caller's task and they end with it; `progress` hears about
/// once a second how many bytes of a tool's archive have arrived. Digests that had to be taken from the publisher's list
/// are kept in `lock`, for all platforms of the list, once the archive was found to match.
///
/// # Errors
/// `Conflict` with both digests when an archive is not the expected one; `NotFound`, `Unavailable` or `TimedOut` when it
/// cannot be had; `Invalid` when it is no plain archive of the tool; `Denied`, `Io`, `Cancelled`.
pub async fn apply(
    plan: InstallPlan,
    lock: &mut Lock,
    env: &Env,
    start: impl Fn(&Path) -> Cmd + Send + Sync,
    progress: impl Fn(&InstallStep, u64) + Send + Sync,
) -> Result<Installed> {
    for step in &plan.steps {
        let fetch = Fetch { env, start: &start, progress: &|bytes| progress(step, bytes) };
        let learned = step.install(fetch).await.context(format!("install {} {}", step.tool, step.version))?;
        for (platform, digest) in learned {
            lock.set_tool(&step.tool, &step.version, &platform, digest);
        }
        lock.save()?;
    }
    Ok(Installed { steps: plan.steps })
}

impl InstallStep {
    /// Fetches the tool; gives back the digests that were read from the publisher's list, by platform.
    async fn install(&self, fetch: Fetch<'_>) -> Result<BTreeMap<String, Digest>> {
        let folder = self.to.parent().unwrap_or(Path::new("/"));
        // Another run may fetch the same tool right now; what it leaves behind when killed is removed by the next.
        let lock = folder.join("lock");
        let _lock = tokio::task::spawn_blocking(move || FileLock::acquire(&lock))
            .await
            .context("wait for another installation")??;
        if self.to.is_file() {
            return Ok(BTreeMap::new());
        }
        let scratch = Scratch::make(folder.join("fetching"))?;
        let (digest, learned) = match &self.digest {
            Some(digest) => (digest.clone(), BTreeMap::new()),
            None => {
                let place = self.origin.place(&self.release, &self.release.sums());
                let path = scratch.0.join("sums");
                fetch.file(&place, &path, SUMS_LIMIT).await?;
                self.learn(&place, &path)?
            }
        };
        let archive = scratch.0.join("archive");
        let place = self.origin.place(&self.release, &self.release.archive());
        fetch.file(&place, &archive, ARCHIVE_LIMIT).await?;
        let (release, to) = (self.release.clone(), self.to.clone());
        tokio::task::spawn_blocking(move || unpack(&archive, &place, &digest, &release, &to))
            .await
            .context("unpack the archive")??;
        Ok(learned)
    }

    /// Reads the publisher's list: this platform's digest, and those of all platforms.
    fn learn(&self, place: &Place, path: &Path) -> Result<(Digest, BTreeMap<String, Digest>)> {
        let text = file::read_text(path, SUMS_LIMIT)?.unwrap_or_default();
        let digests: BTreeMap<String, Digest> = text
            .lines()
            .filter_map(|line| {
                let (hex, file) = line.split_once(char::is_whitespace)?;
                let platform = self.release.platform_of(file.trim_start().trim_start_matches('*'))?;
                Some((platform, format!("sha256:{hex}").parse().ok()?))
            })
            .collect();
        match digests.get(&self.platform) {
            Some(mine) => Ok((mine.clone(), digests)),
            None => Err(Error::not_found(format!(
                "the list of digests has none for {}",
                quoted(&self.release.archive())
            ))
            .with("from", place)
            .hint("check that this version exists for this platform, or correct it in infra.toml")),
        }
    }
}

/// Unpacks beside the archive, so that what a killed run leaves is removed with it, and moves the program to its place.
fn unpack(archive: &Path, place: &Place, wanted: &Digest, release: &Release, to: &Path) -> Result<()> {
    let (got, _) = Digest::of_reader(fs::File::open(archive).context("open the archive")?)?;
    if got != *wanted {
        return Err(Error::new(ErrorKind::Conflict, "the archive is not the expected one, nothing was installed")
            .with("expected", wanted)
            .with("got", got)
            .with("from", place)
            .hint("do not use it: ask who runs the mirror or network; if the publisher changed it on purpose, correct the digest in infra.toml or infra.lock"));
    }
    let mut program = Temporary::beside(archive, Access::Shared)?;
    unzip::unpack(archive, &release.program(), PROGRAM_LIMIT, &mut program.file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        program.file.set_permissions(fs::Permissions::from_mode(0o755))?;
    }
    program.file.sync_all()?;
    program.persist(to)
}

/// A folder for downloads that is empty at first and gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: PathBuf) -> Result<Self> {
        let scratch = Scratch(path);
        scratch.remove();
        file::make_dir(&scratch.0, Access::Private)?;
        Ok(scratch)
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Display for InstallPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() && self.by_hand.is_empty() {
            return f.write_str("all tools are there");
        }
        let fetched = self.steps.iter().map(|step| format!("fetch {step}"));
        let by_hand = self.by_hand.iter().map(|what| format!("by hand: {what}"));
        f.write_str(&fetched.chain(by_hand).collect::<Vec<_>>().join("\n"))
    }
}

impl fmt::Display for InstallStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InstallStep { tool, version, from, to, .. } = self;
        write!(f, "{tool} {version} from {from} to {}", to.display())?;
        match &self.digest {
            Some(digest) => write!(f, ", {digest}"),
            None => f.write_str(", digest from the publisher's list"),
        }
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("all that can be fetched is there");
        }
        let lines: Vec<String> = self
            .steps
            .iter()
            .map(|step| format!("installed {} {} at {}", step.tool, step.version, step.to.display()))
            .collect();
        f.write_str(&lines.join("\n"))
    }
}
