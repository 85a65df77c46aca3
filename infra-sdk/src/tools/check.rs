//! Which of the tools that `infra.toml` asks for are there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::config::Tool;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::names::{Label, nearest};
use crate::tools::find::{self, Found};
use crate::tools::release::INSTALLABLE;

/// The tools a repo asks for and how each stands.
#[derive(Clone, Debug, Serialize)]
pub struct ToolsReport {
    /// One entry per tool, by name.
    pub tools: Vec<ToolStatus>,
}

/// How one tool stands.
#[derive(Clone, Debug, Serialize)]
pub struct ToolStatus {
    /// The program's name.
    pub name: Label,
    /// The version that is asked for.
    pub wanted: String,
    /// What was found, in whatever version.
    pub found: Option<Found>,
    /// How the two compare.
    pub standing: Standing,
}

/// Whether a tool can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is there in the version that is asked for.
    Ok,
    /// It is there in another version.
    OtherVersion,
    /// It is not there.
    Missing,
}

/// Looks for every tool: a pinned copy under `home`, the `INFRA_HOME` of the organisation, goes before `PATH`.
///
/// # Errors
/// `Invalid` when a version in `infra.toml` is none. A tool that is not there is no error here: see
/// [`ToolsReport::ready`].
///
/// ```
/// # use std::path::Path;
/// # use infra_sdk::{Env, tools};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> infra_sdk::Result<()> {
/// let settings = serde_json::from_str(r#"{"terraform": {"version": "1.11.4"}}"#).unwrap();
/// let report = tools::check(&settings, &Env::of([("PATH", "")], "/"), Path::new("/nowhere")).await?;
/// assert!(report.ready().unwrap_err().hints()[0].contains("infra:tools:install"));
/// # Ok(())
/// # }
/// ```
pub async fn check(tools: &BTreeMap<Label, Tool>, env: &Env, home: &Path) -> Result<ToolsReport> {
    let mut report = ToolsReport { tools: Vec::new() };
    for (name, tool) in tools {
        let found = find::find(name.as_str(), Some(&tool.version), env, home).await?;
        let standing = match &found {
            Some(found) if found.version == tool.version => Standing::Ok,
            Some(_) => Standing::OtherVersion,
            None => Standing::Missing,
        };
        report.tools.push(ToolStatus { name: name.clone(), wanted: tool.version.clone(), found, standing });
    }
    Ok(report)
}

impl ToolsReport {
    /// Nothing when every tool can be used.
    ///
    /// # Errors
    /// `NotFound` with all the tools that cannot, and what to do about each.
    pub fn ready(&self) -> Result<()> {
        let missing: Vec<&ToolStatus> =
            self.tools.iter().filter(|tool| tool.standing != Standing::Ok).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = missing.iter().map(|tool| format!("{} {}", tool.name, tool.wanted)).collect();
        let mut error = Error::not_found(format!("tools are missing: {}", list.join(", ")));
        if missing.iter().any(|tool| tool.can_be_installed()) {
            error = error.hint("run `cargo xtask infra:tools:install`");
        }
        let by_hand = |tool: &&&ToolStatus| !tool.can_be_installed();
        Err(missing.iter().filter(by_hand).fold(error, |error, tool| error.hint(tool.remedy())))
    }
}

impl ToolStatus {
    /// Whether `infra:tools:install` can fetch it.
    pub fn can_be_installed(&self) -> bool {
        INSTALLABLE.contains(&self.name.as_str())
    }

    pub(super) fn remedy(&self) -> String {
        if self.can_be_installed() {
            "run `cargo xtask infra:tools:install`".into()
        } else {
            let install = format!("install {} {} and put it on PATH", self.name, self.wanted);
            match nearest(self.name.as_str(), INSTALLABLE.iter().copied()) {
                Some(near) => format!("{install}; or correct its name, if `{near}` is meant"),
                None => install,
            }
        }
    }
}

impl fmt::Display for ToolsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tools.is_empty() {
            return f.write_str("infra.toml asks for no tools");
        }
        let lines: Vec<String> = self.tools.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for ToolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.name, self.wanted)?;
        match (&self.found, self.standing) {
            (Some(found), Standing::Ok) => write!(f, "ok, {}", found.path.display()),
            (Some(found), _) => {
                write!(f, "other version {} at {}; {}", found.version, found.path.display(), self.remedy())
            }
            (None, _) => write!(f, "missing; {}", self.remedy()),
        }
    }
}
