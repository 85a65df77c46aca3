//! Which repos a run has, and which of them wait for which: declared once for the organisation, kept for any choice of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Repo, circle_of_repos};
use crate::error::{Error, Result};
use crate::names::{RepoName, nearest, quoted};
use crate::runs::RunRepo;

/// The chosen repos, each after those it waits for, otherwise by name. A repo that waits for another through
/// repos that were not chosen still waits for it. With nothing chosen, all that are declared.
///
/// ```
/// use std::collections::BTreeMap;
/// use infra_sdk::config::Repo;
/// use infra_sdk::runs::in_order;
/// let after = |names: &[&str]| Repo { after: names.iter().map(|name| name.parse().unwrap()).collect(), ..Repo::default() };
/// let declared = BTreeMap::from([
///     ("web".parse()?, after(&["mid"])),
///     ("mid".parse()?, after(&["zebra"])),
///     ("zebra".parse()?, after(&[])),
/// ]);
/// let run = in_order(&declared, &["web".parse()?, "zebra".parse()?])?;
/// let order: Vec<&str> = run.iter().map(|repo| repo.repo.as_str()).collect();
/// assert_eq!(order, ["zebra", "web"]);
/// assert_eq!(run[1].after, run[..1].iter().map(|repo| repo.repo.clone()).collect::<Vec<_>>());
/// # Ok::<(), infra_sdk::Error>(())
/// ```
///
/// # Errors
/// `NotFound` for a chosen repo that is not declared although others are, and when there is none at all; `Invalid` for repos
/// that wait for each other, and for one chosen twice.
pub fn in_order(declared: &BTreeMap<RepoName, Repo>, chosen: &[RepoName]) -> Result<Vec<RunRepo>> {
    let chosen = choose(declared, chosen)?;
    if let Some(circle) = circle_of_repos(declared) {
        let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
        return Err(Error::invalid(format!("the repos wait for each other: {}", names.join(" → ")))
            .hint("take one of these out of `after` under `[repos]`"));
    }
    let mut waits: BTreeMap<&RepoName, BTreeSet<&RepoName>> =
        chosen.iter().map(|name| (*name, before(declared, &chosen, name))).collect();
    let mut free: BTreeSet<&RepoName> =
        waits.iter().filter(|(_, before)| before.is_empty()).map(|(name, _)| *name).collect();
    let mut followers: BTreeMap<&RepoName, Vec<&RepoName>> = BTreeMap::new();
    for (name, before) in &waits {
        before.iter().for_each(|before| followers.entry(before).or_default().push(name));
    }
    let mut run = Vec::with_capacity(chosen.len());
    let after: BTreeMap<RepoName, Vec<RepoName>> = waits
        .iter()
        .map(|(name, before)| ((*name).clone(), before.iter().map(|name| (*name).clone()).collect()))
        .collect();
    while let Some(name) = free.pop_first() {
        let task = declared.get(name).cloned().unwrap_or_default().task;
        run.push(RunRepo { repo: name.clone(), after: after[name].clone(), task });
        for follower in followers.remove(name).unwrap_or_default() {
            if let Some(left) = waits.get_mut(follower) {
                left.remove(name);
                if left.is_empty() {
                    free.insert(follower);
                }
            }
        }
    }
    Ok(run)
}

fn choose<'a>(
    declared: &'a BTreeMap<RepoName, Repo>,
    chosen: &'a [RepoName],
) -> Result<BTreeSet<&'a RepoName>> {
    let add = "add it as `[repos.NAME]` to the organisation's file or to infra.toml";
    if chosen.is_empty() {
        if declared.is_empty() {
            return Err(Error::not_found("no repos are declared, and none were named")
                .hint("name them with `--repos api,web`")
                .hint(
                    "or declare them as `[repos.NAME]`, each with the repos it comes `after`, in this repo's infra.toml or in \
                     the file that it `extends`",
                ));
        }
        return Ok(declared.keys().collect());
    }
    let mut all = BTreeSet::new();
    for name in chosen {
        if !declared.is_empty() && !declared.contains_key(name) {
            let error = Error::not_found(format!("no repo is named {}", quoted(name.as_str())));
            return Err(match nearest(name.as_str(), declared.keys().map(RepoName::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(add),
            });
        }
        if !all.insert(name) {
            return Err(Error::invalid(format!("the repo {} is named twice", quoted(name.as_str())))
                .hint("each repo of a run is deployed exactly once: name it once"));
        }
    }
    Ok(all)
}

/// The chosen repos that `name` waits for, over any number of those that were not chosen.
fn before<'a>(
    declared: &'a BTreeMap<RepoName, Repo>,
    chosen: &BTreeSet<&'a RepoName>,
    name: &RepoName,
) -> BTreeSet<&'a RepoName> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&RepoName> =
        declared.get(name).map_or_else(Vec::new, |repo| repo.after.iter().collect());
    while let Some(next) = open.pop() {
        if !seen.insert(next) {
            continue;
        }
        match chosen.get(next) {
            Some(next) => drop(found.insert(*next)),
            None => open.extend(declared.get(next).into_iter().flat_map(|repo| &repo.after)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn name(text: &str) -> RepoName {
        text.parse().unwrap()
    }

    fn declared(pairs: &[(&str, &[&str])]) -> BTreeMap<RepoName, Repo> {
        pairs
            .iter()
            .map(|(repo, after)| {
                (
                    name(repo),
                    Repo {
                        after: after.iter().map(|name| name.parse().unwrap()).collect(),
                        ..Repo::default()
                    },
                )
            })
            .collect()
    }

    fn shown(run: &[RunRepo]) -> Vec<String> {
        run.iter()
            .map(|repo| {
                let after: Vec<&str> = repo.after.iter().map(RepoName::as_str).collect();
                format!("{}<{}", repo.repo, after.join(","))
            })
            .collect()
    }

    #[test]
    fn every_repo_comes_after_those_it_waits_for_otherwise_by_name() {
        let all = declared(&[
            ("api", &["db"]),
            ("web", &["api"]),
            ("db", &[]),
            ("alone", &[]),
            ("worker", &["db", "api"]),
        ]);
        assert_eq!(
            shown(&in_order(&all, &[]).unwrap()),
            ["alone<", "db<", "api<db", "web<api", "worker<api,db"]
        );
    }

    #[test]
    fn order_is_kept_through_repos_that_are_not_chosen() {
        let all = declared(&[
            ("web", &["mid", "other"]),
            ("mid", &["deep"]),
            ("deep", &["api"]),
            ("api", &[]),
            ("other", &["api"]),
        ]);
        let run = in_order(&all, &[name("web"), name("api")]).unwrap();
        assert_eq!(shown(&run), ["api<", "web<api"]);
        let run = in_order(&all, &[name("web"), name("api"), name("deep")]).unwrap();
        assert_eq!(shown(&run), ["api<", "deep<api", "web<api,deep"]);
        assert_eq!(shown(&in_order(&all, &[name("web")]).unwrap()), ["web<"]);
    }

    #[test]
    fn without_a_declaration_the_named_repos_wait_for_nobody() {
        let run = in_order(&BTreeMap::new(), &[name("b"), name("a")]).unwrap();
        assert_eq!(shown(&run), ["a<", "b<"]);
        assert_eq!(run[0].task, "deploy");
    }

    #[test]
    fn wrong_choices_say_what_was_meant() {
        let all = declared(&[("api", &[]), ("web", &["api"])]);
        let refused = |chosen: &[RepoName]| in_order(&all, chosen).unwrap_err();
        let error = refused(&[name("wev")]);
        assert!(error.kind() == ErrorKind::NotFound && error.hints()[0].contains("`web`"), "{error:?}");
        assert!(refused(&[name("zzz")]).hints()[0].contains("[repos.NAME]"));
        assert_eq!(refused(&[name("api"), name("api")]).kind(), ErrorKind::Invalid);
        assert!(in_order(&BTreeMap::new(), &[]).unwrap_err().hints()[0].contains("--repos"));
        let circle = declared(&[("a", &["b"]), ("b", &["a"])]);
        assert!(in_order(&circle, &[]).unwrap_err().to_string().contains("a → b → a"));
    }

    #[test]
    fn a_thousand_repos_in_a_chain_are_ordered_at_once() {
        let names: Vec<String> = (0..1000).map(|at| format!("r{at:04}")).collect();
        let all: BTreeMap<RepoName, Repo> = names
            .iter()
            .enumerate()
            .map(|(at, repo)| {
                let after = names[at + 1..].first().map(|next| name(next)).into_iter().collect();
                (name(repo), Repo { after, ..Repo::default() })
            })
            .collect();
        let run = in_order(&all, &[name("r0000"), name("r0999")]).unwrap();
        assert_eq!(shown(&run), ["r0999<", "r0000<r0999"]);
        assert_eq!(in_order(&all, &[]).unwrap()[999].repo.as_str(), "r0000");
    }
}
