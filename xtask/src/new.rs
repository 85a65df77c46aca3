//! `new`: a repo to start from, rendered from `templates/`, with git and the SDK's pin in place.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use infra_sdk::names::{OrgName, RepoName};
use infra_sdk::{Cx, Error, ErrorKind, Result, ResultExt};
use serde::Serialize;
use xshell::{Shell, cmd};

use crate::snapshot::{self, Pin};
use crate::template::{self, Values};

/// What a name may be that is a repo's and also that of a cargo package, which takes no `.`.
const NAME: &str = "start with a lower-case letter, use lower-case letters, digits, `-` and `_`, at most 63, and no keyword or \
                    name of a package it is built with";

/// The flags of `new`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// The folder to make; it must be empty or not there
    dir: PathBuf,
    /// What the repo is
    #[arg(long, value_parser = ["api", "webapp", "cli", "infrastructure"])]
    kind: String,
    /// The organisation it belongs to
    #[arg(long)]
    org: String,
    /// Its name
    #[arg(long)]
    name: String,
    /// Where the SDK is fetched from, instead of this repo's origin
    #[arg(long, value_name = "URL")]
    sdk_git: Option<String>,
    /// The tag to pin, instead of that of this version
    #[arg(long, value_name = "TAG")]
    sdk_tag: Option<String>,
    /// Pin the SDK as it is in this working tree, whatever the origin carries
    #[arg(long, conflicts_with_all = ["sdk_git", "sdk_tag"])]
    sdk_snapshot: bool,
}

/// What a new repo is to be.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The folder to make.
    pub(crate) dir: PathBuf,
    /// `api`, `webapp`, `cli` or `infrastructure`.
    pub(crate) kind: String,
    /// The organisation.
    pub(crate) org: OrgName,
    /// The repo's name.
    pub(crate) name: RepoName,
    /// Where the SDK comes from.
    pub(crate) pin: Pin,
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Made {
    dir: PathBuf,
    files: Vec<PathBuf>,
    sdk: String,
}

impl Made {
    /// How many files it has.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "made {} with {} files", self.dir.display(), self.files.len())?;
        writeln!(f, "pinned {}", self.sdk)?;
        write!(f, "next: cd {} && cargo xtask setup", self.dir.display())
    }
}

/// The task.
///
/// # Errors
/// As [`create`], and what choosing the pin fails with.
pub(crate) async fn run(cx: Cx, flags: Flags) -> Result<()> {
    let org = OrgName::new(flags.org)?;
    // The rule of repos alone is wider than what is taken here.
    let name = RepoName::new(flags.name).map_err(|error| Error::invalid(error.operation()).hint(NAME))?;
    let pin = match (flags.sdk_git, flags.sdk_tag) {
        (None, None) if flags.sdk_snapshot => snapshot::snapshot(cx.root(), &cx.env().infra_home()?)?,
        (None, None) => snapshot::pin(cx.root(), &cx.env().infra_home()?)?,
        (git, tag) => snapshot::asked(cx.root(), cx.env().cwd(), git, tag)?,
    };
    let dir = cx.env().cwd().join(flags.dir);
    cx.report(&create(cx.root(), &Request { dir, kind: flags.kind, org, name, pin })?);
    Ok(())
}

/// Renders the repo beside its place and moves it there when it is whole.
///
/// # Errors
/// `Conflict` when the folder is not empty; `Invalid` for a name cargo would refuse; `Failed` when git fails.
pub(crate) fn create(sdk_root: &Path, request: &Request) -> Result<Made> {
    refuse_what_cargo_refuses(sdk_root, &request.name)?;
    let dir = &request.dir;
    if dir.exists() && fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(Error::new(ErrorKind::Conflict, "the folder is not empty")
            .with("path", dir.display())
            .hint("name a folder that is empty or not there yet"));
    }
    let parent = dir.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).context(format!("make the folder {}", parent.display()))?;
    let building = parent.join(format!(".new-{}", infra_sdk::id::short()?));
    let made = fill(sdk_root, request, &building).and_then(|files| {
        let _ = fs::remove_dir(dir);
        fs::rename(&building, dir).context(format!("move the new repo to {}", dir.display()))?;
        Ok(files)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&building);
    }
    Ok(Made { dir: dir.clone(), files: made?, sdk: request.pin.to_string() })
}

fn fill(sdk_root: &Path, request: &Request, dir: &Path) -> Result<Vec<PathBuf>> {
    let templates = sdk_root.join("templates");
    let (folders, noun) = match request.kind.as_str() {
        "infrastructure" => (vec![templates.join("infrastructure")], "network"),
        kind => {
            let noun = match kind {
                "webapp" => "site",
                "cli" => "program",
                _ => "service",
            };
            (vec![templates.join("product/shared"), templates.join("product").join(kind)], noun)
        }
    };
    let values = Values {
        name: request.name.to_string(),
        org: request.org.to_string(),
        kind: request.kind.clone(),
        noun: noun.into(),
        sdk_git: request.pin.git.clone(),
        sdk_tag: request.pin.tag.clone(),
    };
    let files = template::render(&folders, &values, dir)?;
    // The versions this SDK was tested with: the second repo on a machine then finds them built.
    fs::copy(sdk_root.join("Cargo.lock"), dir.join("Cargo.lock")).context("copy Cargo.lock")?;
    let shell = Shell::new().context("start a shell")?;
    shell.change_dir(dir);
    cmd!(shell, "git init --quiet --initial-branch main")
        .quiet()
        .run()
        .context("start the git repository")?;
    Ok(files)
}

/// A package named like a keyword, a folder of cargo's, or a package it is built with does not build.
fn refuse_what_cargo_refuses(sdk_root: &Path, name: &RepoName) -> Result<()> {
    const TAKEN: [&str; 12] = [
        "alloc",
        "build",
        "core",
        "deps",
        "examples",
        "incremental",
        "infra-sdk",
        "proc-macro",
        "proc_macro",
        "std",
        "test",
        "xtask",
    ];
    const KEYWORDS: [&str; 51] = [
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
        "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
        "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self",
        "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
        "virtual", "where", "while", "yield",
    ];
    let text = name.as_str();
    let starts_badly = !text.starts_with(|c: char| c.is_ascii_alphabetic());
    let lock = fs::read_to_string(sdk_root.join("Cargo.lock")).context("read Cargo.lock")?;
    let locked = lock.lines().any(|line| line == format!("name = \"{text}\""));
    if starts_badly || locked || text.contains('.') || TAKEN.contains(&text) || KEYWORDS.contains(&text) {
        return Err(Error::invalid(format!("`{text}` can not name a cargo package here")).hint(NAME));
    }
    Ok(())
}
