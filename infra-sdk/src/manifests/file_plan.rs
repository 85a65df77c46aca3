//! Made files as plan and apply: what is new, what follows its settings, and what somebody changed by hand.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::manifests::stamp::{self, Seen};

/// The longest file that is compared.
const LIMIT: u64 = 4_000_000;

/// One file as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Where it stands, below the folder of all of them.
    pub path: PathBuf,
    /// Its text, without the line that says who made it.
    pub text: String,
}

/// What will be written.
#[derive(Clone, Debug, Serialize)]
pub struct FilePlan {
    /// The folder.
    pub folder: PathBuf,
    /// The files, by path.
    pub files: Vec<FileStep>,
}

/// One file of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct FileStep {
    /// Where it stands, below the folder.
    pub path: PathBuf,
    /// How what is there compares.
    pub standing: Standing,
    #[serde(skip)]
    before: Option<String>,
    #[serde(skip)]
    after: String,
}

/// How a file on disk compares with what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is not there.
    New,
    /// It is as it should be.
    Same,
    /// It was made from other settings, or by another version, and nobody changed it.
    Outdated,
    /// Somebody changed it, or made it: it is not touched without a word.
    ByHand,
}

/// What happens to files that were changed by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByHand {
    /// Nothing at all is written.
    #[default]
    Refuse,
    /// They stay as they are, and all others are written.
    Keep,
    /// They are replaced.
    Overwrite,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The folder.
    pub folder: PathBuf,
    /// The files that were written, below the folder.
    pub written: Vec<PathBuf>,
    /// Those that somebody changed, and that stayed.
    pub kept: Vec<PathBuf>,
}

impl FilePlan {
    /// Compares files with what stands in `folder`.
    ///
    /// # Errors
    /// `Invalid` for a file that is no text, `Denied` or `Io` for one that cannot be read.
    pub fn of(folder: &Path, files: Vec<Manifest>) -> Result<Self> {
        let mut steps = Vec::new();
        for Manifest { path, text } in files {
            let after = stamp::stamped(&path, &text);
            let before = file::read_text(&folder.join(&path), LIMIT)?;
            let standing = match before.as_deref() {
                None => Standing::New,
                Some(before) if before.replace("\r\n", "\n") == after => Standing::Same,
                Some(before) if stamp::seen(&path, before) == Seen::AsMade => Standing::Outdated,
                Some(_) => Standing::ByHand,
            };
            steps.push(FileStep { path, standing, before, after });
        }
        steps.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(FilePlan { folder: folder.to_owned(), files: steps })
    }

    /// Writes what is new or outdated, and of what was changed by hand what `by_hand` says.
    ///
    /// # Errors
    /// `Conflict` naming the files that were changed by hand, before anything is written, or one that changed since the
    /// plan; `Denied` or `Io`, with the path.
    pub fn apply(&self, by_hand: ByHand) -> Result<Written> {
        let changed = || self.files.iter().filter(|step| step.standing == Standing::ByHand);
        if by_hand == ByHand::Refuse && changed().next().is_some() {
            let names: Vec<String> = changed().map(|step| step.path.display().to_string()).collect();
            return Err(Error::new(
                ErrorKind::Conflict,
                "files were changed by hand, so nothing was written",
            )
            .with("files", names.join(", "))
            .with("folder", self.folder.display())
            .hint("keep them and write the others with `--changed keep`")
            .hint("or replace them with `--changed overwrite`; git has what they were"));
        }
        let mut done = Written { folder: self.folder.clone(), written: Vec::new(), kept: Vec::new() };
        for step in &self.files {
            match step.standing {
                Standing::Same => continue,
                Standing::ByHand if by_hand == ByHand::Keep => {
                    done.kept.push(step.path.clone());
                    continue;
                }
                Standing::New | Standing::Outdated | Standing::ByHand => {}
            }
            let path = self.folder.join(&step.path);
            if file::read_text(&path, LIMIT)? != step.before {
                return Err(Error::new(ErrorKind::Conflict, "a file changed in between")
                    .with("path", path.display())
                    .hint("run the same command again"));
            }
            file::write(&path, step.after.as_bytes(), Access::Shared)?;
            done.written.push(step.path.clone());
        }
        Ok(done)
    }
}

impl fmt::Display for FilePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {}", self.folder.display())?;
        for step in &self.files {
            let what = match step.standing {
                Standing::New => "make",
                Standing::Same => "as it should be",
                Standing::Outdated => "replace, it is as it was made",
                Standing::ByHand => "changed by hand",
            };
            write!(f, "\n  {}: {what}", step.path.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match self.written.len() {
            0 => write!(f, "nothing to write in {folder}")?,
            1 => write!(f, "wrote 1 file in {folder}")?,
            count => write!(f, "wrote {count} files in {folder}")?,
        }
        for path in &self.kept {
            write!(f, "\n  kept, changed by hand: {}", path.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(second: &str) -> Vec<Manifest> {
        let file = |path: &str, text: &str| Manifest { path: path.into(), text: text.into() };
        vec![file("src/index.js", second), file("nats.conf", "port: 4222\n")]
    }

    fn standings(folder: &Path, second: &str) -> Vec<Standing> {
        let plan = FilePlan::of(folder, files(second)).unwrap();
        plan.files.iter().map(|step| step.standing).collect()
    }

    #[test]
    fn what_somebody_changed_is_not_touched_without_a_word() {
        let folder =
            std::env::temp_dir().join(format!("infra-sdk-manifests-{}", crate::id::short().unwrap()));
        assert_eq!(standings(&folder, "a\n"), [Standing::New, Standing::New]);
        let done = FilePlan::of(&folder, files("a\n")).unwrap().apply(ByHand::Refuse).unwrap();
        assert_eq!((done.written.len(), done.kept.len()), (2, 0));
        assert_eq!(standings(&folder, "a\n"), [Standing::Same, Standing::Same]);
        assert_eq!(standings(&folder, "b\n"), [Standing::Same, Standing::Outdated]);

        let conf = folder.join("nats.conf");
        let made = std::fs::read_to_string(&conf).unwrap();
        let mine = made.replace("4222", "4333");
        std::fs::write(&conf, &mine).unwrap();
        let plan = FilePlan::of(&folder, files("b\n")).unwrap();
        let error = plan.apply(ByHand::Refuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.to_string().contains("nats.conf") && !error.to_string().contains("index.js"),
            "{error}"
        );
        assert_eq!(standings(&folder, "b\n"), [Standing::ByHand, Standing::Outdated]);
        let done = plan.apply(ByHand::Keep).unwrap();
        assert_eq!((done.written.len(), done.kept.len()), (1, 1));
        assert_eq!(std::fs::read_to_string(&conf).unwrap(), mine);

        let plan = FilePlan::of(&folder, files("b\n")).unwrap();
        std::fs::write(&conf, "mine again").unwrap();
        assert_eq!(plan.apply(ByHand::Overwrite).unwrap_err().kind(), ErrorKind::Conflict);
        FilePlan::of(&folder, files("b\n")).unwrap().apply(ByHand::Overwrite).unwrap();
        assert_eq!(std::fs::read_to_string(&conf).unwrap(), made);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
