//! What the settings say about the organisation's repos: which are deployed together, and which after which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::check::Check;
use crate::config::find::NAME;
use crate::config::{Config, document};
use crate::error::{Error, Result};
use crate::names::{OrgName, RepoName, is_task, quoted};
use crate::tree::{Node, Value};

/// `[repos.NAME]`: one repo of a deploy over many. It stands where all repos read it: in the organisation's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repo {
    /// The repos that are deployed before this one.
    #[serde(default)]
    pub after: Vec<RepoName>,
    /// The task that deploys it; default `deploy`.
    #[serde(default = "task", deserialize_with = "task_name")]
    pub task: String,
    /// The dangerous tasks that its deploy runs beside that one, such as `infra:apply`: whoever confirms a deploy over many
    /// repos confirms them, too.
    #[serde(default, deserialize_with = "task_names")]
    pub yes: Vec<String>,
}

impl Default for Repo {
    fn default() -> Self {
        Repo { after: Vec::new(), task: task(), yes: Vec::new() }
    }
}

fn task() -> String {
    "deploy".into()
}

/// Reads the name of a task: it is given to a program, where a `-` at its start would be an option.
fn task_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_task(&text).map_err(serde::de::Error::custom)?;
    Ok(text)
}

fn task_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().try_for_each(|name| check_task(name)).map_err(serde::de::Error::custom)?;
    Ok(names)
}

fn check_task(text: &str) -> Result<(), String> {
    if is_task(text) {
        return Ok(());
    }
    Err(format!("{} is not the name of a task; write it as the task list shows it", quoted(text)))
}

impl Config {
    /// The name that the repo in `folder` gives itself in its `infra.toml`; `None` where no such file stands. Nothing else
    /// of it is read or judged.
    ///
    /// # Errors
    /// `Invalid` when the file is not TOML or names no project; `Denied` or `Io`, with the path.
    pub fn name_in(folder: &Path) -> Result<Option<RepoName>> {
        Ok(Self::project_in(folder)?.map(|(name, _)| name))
    }

    /// The same with the organisation, which may stand in the file that it extends instead.
    ///
    /// # Errors
    /// As [`name_in`](Config::name_in).
    pub(crate) fn project_in(folder: &Path) -> Result<Option<(RepoName, Option<OrgName>)>> {
        let path = folder.join(NAME);
        let text = |file: &Node, key: &str| match &file.get("project")?.get(key)?.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let project = |file: Node| match text(&file, "name") {
            Some(name) => Ok((RepoName::new(name)?, text(&file, "org").map(OrgName::new).transpose()?)),
            None => Err(Error::invalid("infra.toml does not say which project this is")
                .hint("write `name = \"…\"` under `[project]`")),
        };
        let read = document::read(&path, NAME).and_then(|file| file.map(project).transpose());
        read.map_err(|error| error.with("path", path.display()))
    }
}

/// Everything in `[repos]` that does not fit together.
pub(super) fn check(repos: &BTreeMap<RepoName, Repo>, check: &mut Check<'_>) {
    let known = repos.keys().map(RepoName::as_str);
    for (name, repo) in repos {
        for after in repo.after.iter().filter(|after| !repos.contains_key(after.as_str())) {
            check.unknown(&["repos", name.as_str(), "after"], "repo", after.as_str(), known.clone());
        }
    }
    if let Some(circle) = circle(repos) {
        let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
        let message = format!("the repos wait for each other: {}", names.join(" → "));
        check.refuse(&["repos", names[0], "after"], message);
    }
}

/// Repos that wait for each other in a circle, the first repeated at the end.
pub(crate) fn circle(repos: &BTreeMap<RepoName, Repo>) -> Option<Vec<&RepoName>> {
    // What waits for nobody of those that are left goes, until nothing goes any more.
    let mut waits: BTreeMap<&RepoName, usize> = BTreeMap::new();
    let mut followers: BTreeMap<&RepoName, Vec<&RepoName>> = BTreeMap::new();
    for (name, repo) in repos {
        let after: BTreeSet<&RepoName> =
            repo.after.iter().filter(|after| repos.contains_key(*after)).collect();
        waits.insert(name, after.len());
        after.into_iter().for_each(|after| followers.entry(after).or_default().push(name));
    }
    let mut free: Vec<&RepoName> =
        waits.iter().filter(|(_, left)| **left == 0).map(|(name, _)| *name).collect();
    let mut left: BTreeSet<&RepoName> = repos.keys().collect();
    while let Some(name) = free.pop() {
        left.remove(name);
        for follower in followers.remove(name).unwrap_or_default() {
            if let Some(count) = waits.get_mut(follower) {
                *count -= 1;
                if *count == 0 {
                    free.push(follower);
                }
            }
        }
    }
    let mut walked: Vec<&RepoName> = vec![left.first().copied()?];
    loop {
        let here = walked.last().copied()?;
        // Each of them waits for another of them, so that the walk comes back to where it was.
        let next = repos[here].after.iter().find(|after| left.contains(after))?;
        if let Some(first) = walked.iter().position(|name| *name == next) {
            let mut circle = walked.split_off(first);
            circle.push(next);
            return Some(circle);
        }
        walked.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";
        Config::of_text(&format!("{project}{text}"), "/srv", "local").unwrap_err().report().to_string()
    }

    #[test]
    fn repos_that_wait_for_each_other_are_shown_as_a_circle() {
        let report = refusal(
            "[repos.api]\nafter = [\"web\"]\n[repos.web]\nafter = [\"mid\"]\n[repos.mid]\nafter = [\"api\"]\n[repos.tail]\nafter = [\"api\"]\n",
        );
        assert!(report.contains("infra.toml:6:1"), "{report}");
        assert!(report.contains("wait for each other: api → web → mid → api"), "{report}");
        assert!(refusal("[repos.a]\nafter = [\"a\"]\n").contains("a → a"));
    }

    #[test]
    fn a_repo_that_nobody_declared_and_a_task_that_is_an_option_are_refused() {
        let report = refusal("[repos.api]\n[repos.web]\nafter = [\"apu\"]\n");
        assert!(report.contains("there is no repo `apu`; did you mean `api`?"), "{report}");
        assert!(refusal("[repos.api]\nafterr = []\n").contains("did you mean"));
        for bad in ["--yes", "", "a b", "Deploy"] {
            let report = refusal(&format!("[repos.api]\ntask = \"{bad}\"\n"));
            assert!(report.contains("not the name of a task"), "{report}");
            let report = refusal(&format!("[repos.api]\nyes = [\"{bad}\"]\n"));
            assert!(report.contains("not the name of a task"), "{report}");
        }
    }

    #[test]
    fn a_long_chain_is_no_circle_and_is_read_at_once() {
        let text: String = (0..1000)
            .map(|at| match at {
                0 => "[repos.r0]\n".to_owned(),
                _ => format!("[repos.r{at}]\nafter = [\"r{}\"]\n", at - 1),
            })
            .collect();
        let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";
        let config = Config::of_text(&format!("{project}{text}"), "/srv", "local").unwrap();
        assert_eq!(config.settings().repos.len(), 1000);
        assert_eq!(
            config.settings().repos["r1"],
            Repo { after: vec!["r0".parse().unwrap()], ..Repo::default() }
        );
    }

    #[test]
    fn a_checkout_says_its_name_and_a_broken_one_says_where_it_is() {
        let folder = std::env::temp_dir().join(format!("infra-sdk-repos-{}", crate::id::short().unwrap()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(Config::name_in(&folder).unwrap(), None);
        std::fs::write(folder.join("infra.toml"), "[project]\nname = \"api\"\n[other]\nx = 1\n").unwrap();
        assert_eq!(Config::name_in(&folder).unwrap().unwrap().as_str(), "api");
        for broken in ["x = ", "[project]\nname = 7\n", "[project]\nname = \"../x\"\n"] {
            std::fs::write(folder.join("infra.toml"), broken).unwrap();
            let error = Config::name_in(&folder).unwrap_err();
            assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
