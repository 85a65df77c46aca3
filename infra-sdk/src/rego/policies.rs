//! The texts of policies: a folder of Rego files, and files from elsewhere.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::file;

/// The largest file that is taken for a policy.
const LARGEST: u64 = 1 << 20;

/// More files than any organisation has rules.
const MOST: usize = 2_000;

/// The deepest folder that is looked into.
const DEEPEST: usize = 16;

/// The texts of policies, by the name that findings and errors call them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    files: Vec<File>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
}

impl Policies {
    /// Every `*.rego` file in `folder` and below, named relative to `root`. Links are not followed.
    ///
    /// # Errors
    /// `NotFound` when the folder is not there or holds no policy: nothing would be checked; `Invalid` when a file is no
    /// text or larger than 1 MiB, or there are more than 2,000; `Denied` or `Io` when one cannot be read.
    pub fn read(root: &Path, folder: &str) -> Result<Self> {
        let mut policies = Policies::default();
        let path = root.join(folder);
        if !path.is_dir() {
            return Err(Error::not_found("the folder of policies is not there")
                .with("folder", folder)
                .hint("create it, or correct `dir` of [policy]"));
        }
        policies.gather(root, &path, 0)?;
        if policies.files.is_empty() {
            return Err(Error::not_found("the folder of policies has no Rego file")
                .with("folder", folder)
                .hint(
                    "add a file `NAME.rego` with rules named `deny` or `warn`, or take `dir` off [policy]",
                ));
        }
        // The order of a folder is not the same everywhere.
        policies.files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(policies)
    }

    /// Adds the text of one more file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.files.push(File { name: name.into(), text: text.into() });
    }

    /// Adds those of another set.
    pub fn add_all(&mut self, other: Policies) {
        self.files.extend(other.files);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Those that judge: what stands beside a test is made up for it.
    pub(super) fn without_tests(&self) -> Policies {
        let judges = |file: &&File| !file.name.ends_with("_test.rego");
        Policies { files: self.files.iter().filter(judges).cloned().collect() }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    fn gather(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<()> {
        let fail = |error| file::failed("read the folder of policies", folder, error);
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(fail)?);
            if kind.is_symlink() {
                // A link may lead anywhere, and one that is passed over would be a rule that nobody asks.
                return Err(Error::invalid("the folder of policies holds a link")
                    .with("path", path.display())
                    .hint("put the file itself there"));
            }
            if kind.is_dir() && depth < DEEPEST {
                self.gather(root, &path, depth + 1)?;
            }
            if !kind.is_file() || path.extension().is_none_or(|extension| extension != "rego") {
                continue;
            }
            if self.files.len() == MOST {
                return Err(Error::invalid(format!(
                    "the folder of policies has more than {MOST} Rego files"
                ))
                .with("folder", folder.display())
                .hint("name a folder that holds policies and nothing else"));
            }
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string().replace('\\', "/");
            let text = file::read_text(&path, LARGEST)?.unwrap_or_default();
            self.add(name, text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn files_are_named_from_the_repo_and_nothing_to_check_is_an_error() {
        let root = std::env::temp_dir().join(format!("infra-sdk-policies-{}", crate::id::short().unwrap()));
        let refused = || Policies::read(&root, "policy").unwrap_err();
        assert_eq!(refused().kind(), ErrorKind::NotFound);
        std::fs::create_dir_all(root.join("policy/net")).unwrap();
        std::fs::write(root.join("policy/README.md"), "not a policy").unwrap();
        assert!(refused().to_string().contains("has no Rego file"), "{}", refused());
        for name in ["policy/tags.rego", "policy/net/open.rego"] {
            std::fs::write(root.join(name), "package a\n").unwrap();
        }
        let policies = Policies::read(&root, "policy").unwrap();
        let names: Vec<&str> = policies.files().iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["policy/net/open.rego", "policy/tags.rego"]);
        std::fs::write(root.join("policy/binary.rego"), b"\xff\xfe").unwrap();
        assert_eq!(refused().kind(), ErrorKind::Invalid);
        let _ = std::fs::remove_dir_all(&root);
    }
}
