//! The checkouts an agent finds below a folder: every one that has an `infra.toml`, by the name it gives itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::file::failed;
use crate::names::{OrgName, RepoName};

/// How far below the folder a checkout may lie: `DIR/repo`, or `DIR/team/repo`.
const DEEPEST: usize = 2;

/// One checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The repo.
    pub repo: RepoName,
    /// Where it lies.
    pub folder: PathBuf,
}

/// The checkouts of `org` in these folders, in the order of their names. One that cannot be read, or says that it is of
/// another organisation, is told of in the second list, and does not keep the others from being served.
///
/// # Errors
/// `NotFound` when a folder is not there or no checkout is in any of them; `Conflict` when two have one name.
pub fn checkouts(org: &OrgName, folders: &[PathBuf]) -> Result<(Vec<Checkout>, Vec<Error>)> {
    let mut look = Look { org, found: BTreeMap::new(), broken: Vec::new() };
    for folder in folders {
        if !folder.is_dir() {
            return Err(Error::not_found("the folder of checkouts is not there, or is none")
                .with("folder", folder.display())
                .hint("name the folder that the repos are cloned into"));
        }
        look.at(folder, 0)?;
    }
    let Look { found, broken, .. } = look;
    if found.is_empty() {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let error = Error::not_found("no checkout with an infra.toml is there")
            .with("folders", names.join(", "))
            .hint("clone the repos into that folder, or name the one above them");
        return Err(match broken.into_iter().next() {
            Some(cause) => error.because(cause),
            None => error,
        });
    }
    let found = found.into_iter().map(|(repo, folder)| Checkout { repo, folder }).collect();
    Ok((found, broken))
}

/// What was found so far.
struct Look<'a> {
    org: &'a OrgName,
    found: BTreeMap<RepoName, PathBuf>,
    broken: Vec<Error>,
}

impl Look<'_> {
    fn at(&mut self, folder: &Path, depth: usize) -> Result<()> {
        match Config::project_in(folder) {
            Ok(None) if depth < DEEPEST => {}
            Ok(None) => return Ok(()),
            // What lies inside a checkout is a part of it.
            Ok(Some((repo, org))) => return self.take(repo, org, folder),
            Err(error) => {
                self.broken.push(error);
                return Ok(());
            }
        }
        let entries = std::fs::read_dir(folder).map_err(|error| failed("list a folder", folder, error))?;
        // A link may lead round in a circle, and to what is found by itself.
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut below: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        below.sort();
        for path in below {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".");
            if !name.starts_with('.') && !["node_modules", "target"].contains(&name) {
                self.at(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, repo: RepoName, org: Option<OrgName>, folder: &Path) -> Result<()> {
        if let Some(other) = org.filter(|org| org != self.org) {
            let error = Error::invalid(format!(
                "`{repo}` is of the organisation `{other}`, and not of `{}`",
                self.org
            ));
            self.broken.push(error.with("folder", folder.display()));
            return Ok(());
        }
        match self.found.get(&repo) {
            Some(other) if other == folder => Ok(()),
            Some(other) => Err(Error::new(
                ErrorKind::Conflict,
                format!("two checkouts are of the repo `{repo}`"),
            )
            .with("one", other.display())
            .with("other", folder.display())
            .hint("serve one of them: move the other elsewhere, or name the folders of single checkouts")),
            None => {
                self.found.insert(repo, folder.to_owned());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path =
                std::env::temp_dir().join(format!("infra-sdk-checkouts-{}", crate::id::short().unwrap()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn repo(&self, path: &str, text: &str) {
            std::fs::create_dir_all(self.0.join(path)).unwrap();
            std::fs::write(self.0.join(path).join("infra.toml"), text).unwrap();
        }
    }

    fn found_in(folders: &[PathBuf]) -> Result<(Vec<Checkout>, Vec<Error>)> {
        checkouts(&"acme".parse().unwrap(), folders)
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn checkouts_are_found_by_the_name_they_give_themselves_and_a_broken_one_is_told() {
        let folder = Folder::new();
        folder.repo("clone-1", "[project]\nname = \"web\"\n");
        folder.repo("clone-1/examples/inner", "[project]\nname = \"inner\"\n");
        folder.repo("team/clone-2", "[project]\nname = \"api\"\n");
        folder.repo("team/too/deep", "[project]\nname = \"deep\"\n");
        folder.repo(".hidden", "[project]\nname = \"hidden\"\n");
        folder.repo("broken", "[project\n");
        let (found, broken) = found_in(std::slice::from_ref(&folder.0)).unwrap();
        let names: Vec<&str> = found.iter().map(|checkout| checkout.repo.as_str()).collect();
        assert_eq!(names, ["api", "web"]);
        assert_eq!(found[1].folder, folder.0.join("clone-1"));
        assert!(broken.len() == 1 && broken[0].to_string().contains("broken"), "{broken:?}");
        let (own, _) = found_in(&[folder.0.join("clone-1"), folder.0.join("clone-1")]).unwrap();
        assert_eq!(own.len(), 1, "a folder named twice is one checkout");
    }

    #[test]
    fn what_is_of_another_organisation_is_told_and_not_served_and_links_are_not_followed() {
        let folder = Folder::new();
        folder.repo("web", "[project]\nname = \"web\"\norg = \"acme\"\n");
        folder.repo("api", "[project]\nname = \"api\"\norg = \"other\"\n");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&folder.0, folder.0.join("loop")).unwrap();
        let (found, broken) = found_in(std::slice::from_ref(&folder.0)).unwrap();
        let names: Vec<&str> = found.iter().map(|checkout| checkout.repo.as_str()).collect();
        assert_eq!(names, ["web"]);
        assert!(broken.len() == 1 && broken[0].to_string().contains("`other`"), "{broken:?}");
    }

    #[test]
    fn two_checkouts_of_one_repo_and_none_at_all_say_what_to_do() {
        let folder = Folder::new();
        let none = found_in(std::slice::from_ref(&folder.0)).unwrap_err();
        assert!(none.kind() == ErrorKind::NotFound && !none.hints().is_empty(), "{none:?}");
        assert_eq!(found_in(&[folder.0.join("nowhere")]).unwrap_err().kind(), ErrorKind::NotFound);
        folder.repo("one", "[project]\nname = \"web\"\n");
        folder.repo("two", "[project]\nname = \"web\"\n");
        let two = found_in(std::slice::from_ref(&folder.0)).unwrap_err();
        assert_eq!(two.kind(), ErrorKind::Conflict);
        assert!(two.to_string().contains("one") && two.to_string().contains("two"), "{two}");
    }
}
