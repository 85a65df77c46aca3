//! The files a repo needs to keep its secrets out of git: `.env.example`, `.env` and lines in `.gitignore`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::SecretSpec;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, failed};
use crate::names::SecretName;
use crate::secrets::dotenv::Dotenv;
use crate::secrets::ignore;

const LIMIT: u64 = 1_000_000;

/// What will be written; a value that stands in a file stays there.
#[derive(Clone, Debug, Serialize)]
pub struct InitPlan {
    /// The files to write, in order.
    pub steps: Vec<InitStep>,
}

/// One file to write.
#[derive(Clone, Debug, Serialize)]
pub struct InitStep {
    /// The file.
    pub path: PathBuf,
    /// What happens to it, such as `create`.
    pub what: String,
    #[serde(skip)]
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// Replaces what was there when the plan was made, or creates.
    Write { before: Option<String>, after: String, access: Access },
    /// Takes away what others may do with the file.
    MakePrivate,
}

impl fmt::Display for InitPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f
                .write_str("nothing to do: `.env`, `.env.example` and `.gitignore` are as they should be");
        }
        for (number, step) in self.steps.iter().enumerate() {
            let end = if number + 1 < self.steps.len() { "\n" } else { "" };
            write!(f, "{}: {}{end}", step.path.display(), step.what)?;
        }
        Ok(())
    }
}

/// Looks at the repo in the folder `root` and at the secrets that `infra.toml` declares.
///
/// # Errors
/// `Invalid` when `.env.example` is not a `.env` file, with the place; `Denied` or `Io`.
pub fn plan_init(root: &Path, declared: &BTreeMap<SecretName, SecretSpec>) -> Result<InitPlan> {
    let mut steps = Vec::new();
    let path = root.join(".gitignore");
    let before = file::read_text(&path, LIMIT)?;
    let lines = ignore::missing_lines(before.as_deref().unwrap_or_default());
    // First, so that no moment exists in which git would take the others.
    if !lines.is_empty() {
        let what = format!("add {}", lines.join(", "));
        let after = append(before.as_deref(), &format!("{}\n", lines.join("\n")));
        steps.push(InitStep { path, what, change: Change::Write { before, after, access: Access::Shared } });
    }
    steps.extend(example(root, declared)?);
    let path = root.join(".env");
    match std::fs::metadata(&path) {
        Ok(meta) => {
            if open_to_others(&meta) {
                let what = "take away what others may do with it (mode 0600)".into();
                steps.push(InitStep { path, what, change: Change::MakePrivate });
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let after = template(declared);
            let change = Change::Write { before: None, after, access: Access::Private };
            steps.push(InitStep { path, what: "create, for this machine only (mode 0600)".into(), change });
        }
        Err(error) => return Err(failed("read a file", &path, error)),
    }
    Ok(InitPlan { steps })
}

impl InitPlan {
    /// Writes the files.
    ///
    /// # Errors
    /// `Conflict` when a file changed since the plan; `Denied` or `Io`, with the path.
    pub fn apply(&self) -> Result<()> {
        for step in &self.steps {
            match &step.change {
                Change::Write { before, after, access } => {
                    if file::read_text(&step.path, LIMIT)? != *before {
                        return Err(Error::new(ErrorKind::Conflict, "a file changed in between")
                            .with("path", step.path.display())
                            .hint("run the same command again"));
                    }
                    file::write(&step.path, after.as_bytes(), *access)?;
                }
                Change::MakePrivate => make_private(&step.path)?,
            }
        }
        Ok(())
    }
}

fn example(root: &Path, declared: &BTreeMap<SecretName, SecretSpec>) -> Result<Option<InitStep>> {
    let path = root.join(".env.example");
    let before = file::read_text(&path, LIMIT)?;
    let known = Dotenv::parse(before.as_deref().unwrap_or_default(), &path)?;
    let new: Vec<_> = declared.iter().filter(|(name, _)| known.names().all(|known| known != *name)).collect();
    if before.is_some() && new.is_empty() {
        return Ok(None);
    }
    let mut lines = String::new();
    if before.is_none() {
        lines
            .push_str("# What this repo needs. Copy a line to `.env` and put the value there, never here.\n");
    }
    for (name, spec) in &new {
        lines.push_str(&format!("\n{}{name}=\n", comment(spec)));
    }
    let what = match before {
        Some(_) => format!("add {} names", new.len()),
        None => format!("create, with {} names", new.len()),
    };
    let after = append(before.as_deref(), &lines);
    Ok(Some(InitStep { path, what, change: Change::Write { before, after, access: Access::Shared } }))
}

fn template(declared: &BTreeMap<SecretName, SecretSpec>) -> String {
    let mut text = String::from(
        "# The values of this repo on this machine. Git ignores this file; never commit it.\n\
         # One NAME=value a line. Put a value with spaces or signs between single quotes.\n",
    );
    for (name, spec) in declared {
        text.push_str(&format!("\n{}# {name}=\n", comment(spec)));
    }
    text
}

fn comment(spec: &SecretSpec) -> String {
    let mut lines: Vec<&str> = spec.description.as_deref().unwrap_or_default().lines().collect();
    if spec.generate.is_some() {
        lines.push("Made by `cargo xtask infra:secrets:setup`; set it only to use a value of your own.");
    }
    if spec.optional {
        lines.push("Optional.");
    }
    lines.iter().map(|line| format!("# {}\n", line.trim())).collect()
}

fn append(before: Option<&str>, lines: &str) -> String {
    let before = before.unwrap_or_default();
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{gap}{lines}")
}

#[cfg(unix)]
fn open_to_others(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| failed("make a file private", path, error))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_init_has_nothing_to_do_and_no_value_is_ever_overwritten() {
        let root = std::env::temp_dir().join(format!("infra-sdk-init-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join(".gitignore"), "/target").unwrap();
        std::fs::write(root.join(".env.example"), "PORT=3000").unwrap();
        let spec = SecretSpec { description: Some("two\nlines".into()), ..SecretSpec::default() };
        let declared: BTreeMap<SecretName, SecretSpec> = [("A".parse().unwrap(), spec)].into();
        plan_init(&root, &declared).unwrap().apply().unwrap();
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        assert_eq!(read(".gitignore"), "/target\n.env\n.env.*\n!.env.example\n");
        assert_eq!(read(".env.example"), "PORT=3000\n\n# two\n# lines\nA=\n");
        assert!(read(".env").contains("\n# A=\n") && Dotenv::parse(&read(".env"), ".env").is_ok());
        assert!(plan_init(&root, &declared).unwrap().steps.is_empty());
        std::fs::write(root.join(".env"), "A=mine\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let env = root.join(".env");
            std::fs::set_permissions(&env, std::fs::Permissions::from_mode(0o644)).unwrap();
            plan_init(&root, &declared).unwrap().apply().unwrap();
            assert_eq!(std::fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(read(".env"), "A=mine\n");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_file_that_changed_since_the_plan_is_left_alone() {
        let root = std::env::temp_dir().join(format!("infra-sdk-init-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&root).unwrap();
        let plan = plan_init(&root, &BTreeMap::new()).unwrap();
        std::fs::write(root.join(".env"), "A=mine\n").unwrap();
        assert_eq!(plan.apply().unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(std::fs::read_to_string(root.join(".env")).unwrap(), "A=mine\n");
        std::fs::remove_dir_all(root).unwrap();
    }
}
