//! How the key of a state becomes the path of an object, and back: also the way paths were made before.

use crate::error::{Error, Result};
use crate::names::{EnvName, Label, OrgName, RepoName, quoted};
use crate::state::StateKey;

/// What a template may hold between braces.
const NAMES: [&str; 4] = ["owner", "repo", "env", "stack"];

/// Makes paths of keys, such as `{owner}/{repo}/{env}/{stack}/terraform.tfstate`.
///
/// A template may leave out `{owner}` and `{stack}`, to adopt what exists. It then holds for one organisation, and for
/// one stack of each repository: other keys are refused, since they would share a state.
///
/// ```
/// use infra_sdk::state::{KeyTemplate, StateKey};
/// let key: StateKey = "acme/shop-api/staging/network/terraform.tfstate".parse()?;
/// assert_eq!(KeyTemplate::default().path(&key)?, key.to_string());
///
/// let old = KeyTemplate::new("{repo}/{env}/terraform.tfstate")?.of(key.owner.clone(), Some(key.stack.clone()));
/// assert_eq!(old.path(&key)?, "shop-api/staging/terraform.tfstate");
/// assert_eq!(old.key("shop-api/staging/terraform.tfstate"), Some(key));
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTemplate {
    levels: Vec<Level>,
    owner: Option<OrgName>,
    stack: Option<Label>,
}

/// What stands between two slashes: a text, or a name with a text around it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    before: String,
    name: Option<&'static str>,
    after: String,
}

impl Default for KeyTemplate {
    fn default() -> Self {
        let level = |name| Level { before: String::new(), name: Some(name), after: String::new() };
        let mut levels: Vec<Level> = NAMES.into_iter().map(level).collect();
        levels.push(Level { before: "terraform.tfstate".into(), name: None, after: String::new() });
        KeyTemplate { levels, owner: None, stack: None }
    }
}

impl KeyTemplate {
    /// Reads a template: a path in which each level holds at most one of `{owner}`, `{repo}`, `{env}` and `{stack}`.
    ///
    /// # Errors
    /// `Invalid`, saying why, for a template whose paths would not tell all states apart.
    pub fn new(template: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::invalid(format!("the key template {} {why}", quoted(template)))
                .hint("write it like `{owner}/{repo}/{env}/{stack}/terraform.tfstate`")
        };
        let mut levels = Vec::new();
        for level in template.split('/') {
            let (before, rest) = level.split_once('{').map_or((level, None), |(a, b)| (a, Some(b)));
            let (name, after) = match rest {
                None => (None, ""),
                Some(rest) => {
                    let (name, after) =
                        rest.split_once('}').ok_or_else(|| refuse("has a `{` without `}`"))?;
                    let known = NAMES.into_iter().find(|known| *known == name);
                    let unknown = || refuse("may hold only `{owner}`, `{repo}`, `{env}` and `{stack}`");
                    (Some(known.ok_or_else(unknown)?), after)
                }
            };
            let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            if after.contains('{') {
                return Err(refuse("has two names in one level, and their border could not be told"));
            }
            if level.is_empty() || level == "." || level == ".." {
                return Err(refuse("has an empty level, `.` or `..` in it"));
            }
            if !plain(before) || !plain(after) || template.len() > 512 {
                return Err(refuse("must be of letters, digits, `-`, `_`, `.` and `/`, at most 512"));
            }
            levels.push(Level { before: before.to_owned(), name, after: after.to_owned() });
        }
        let made = KeyTemplate { levels, owner: None, stack: None };
        if !made.holds("repo") || !made.holds("env") {
            return Err(refuse("must hold `{repo}` and `{env}`, or these would share one state"));
        }
        Ok(made)
    }

    /// Says whose states these are, and which stack it is, where the template does not.
    #[must_use]
    pub fn of(mut self, owner: OrgName, stack: Option<Label>) -> Self {
        self.owner = (!self.holds("owner")).then_some(owner);
        self.stack = stack.filter(|_| !self.holds("stack"));
        self
    }

    fn holds(&self, name: &str) -> bool {
        self.levels.iter().any(|level| level.name == Some(name))
    }

    /// The path of a key.
    ///
    /// # Errors
    /// `Invalid` when the template does not tell this key from others.
    pub fn path(&self, key: &StateKey) -> Result<String> {
        let refuse = |what: &str| {
            Err(Error::invalid(format!("the key template of the state holds no `{{{what}}}`"))
                .with("state", key)
                .hint(format!(
                    "add `{{{what}}}` to `key` of the environment's `state` in infra.toml, and move the state there"
                )))
        };
        if !self.holds("owner") && self.owner.as_ref() != Some(&key.owner) {
            return refuse("owner");
        }
        if !self.holds("stack") && self.stack.as_ref() != Some(&key.stack) {
            return refuse("stack");
        }
        let filled = |level: &Level| {
            let name = match level.name {
                Some("owner") => key.owner.as_str(),
                Some("repo") => key.repo.as_str(),
                Some("env") => key.env.as_str(),
                Some(_) => key.stack.as_str(),
                None => "",
            };
            format!("{}{name}{}", level.before, level.after)
        };
        Ok(self.levels.iter().map(filled).collect::<Vec<_>>().join("/"))
    }

    /// The key that has this path; `None` when it is not one of these.
    ///
    /// Where the template holds no `{stack}`, the stack is the one that [`of`](KeyTemplate::of) named, else `main`.
    pub fn key(&self, path: &str) -> Option<StateKey> {
        let levels: Vec<&str> = path.split('/').collect();
        if levels.len() != self.levels.len() || path.ends_with(".tflock") {
            return None;
        }
        let mut found: [Option<&str>; NAMES.len()] = [None; NAMES.len()];
        for (level, text) in self.levels.iter().zip(levels) {
            let inner = text.strip_prefix(level.before.as_str())?.strip_suffix(level.after.as_str())?;
            let Some(name) = level.name else { if inner.is_empty() { continue } else { return None } };
            let place = &mut found[NAMES.iter().position(|known| *known == name)?];
            // A name that stands twice is the same both times.
            if place.is_some_and(|known| known != inner) {
                return None;
            }
            *place = Some(inner);
        }
        let [owner, repo, env, stack] = found;
        Some(StateKey {
            owner: owner.map_or_else(|| self.owner.clone(), |text| OrgName::new(text).ok())?,
            repo: RepoName::new(repo?).ok()?,
            env: EnvName::new(env?).ok()?,
            stack: stack.map_or_else(
                || self.stack.clone().or(Label::new("main").ok()),
                |text| Label::new(text).ok(),
            )?,
        })
    }

    /// What stands before the first level that an owner's keys may differ in.
    pub fn prefix(&self, owner: &OrgName) -> String {
        let mut prefix = String::new();
        for level in &self.levels {
            prefix.push_str(&level.before);
            match level.name {
                None => {}
                Some("owner") => prefix.push_str(owner.as_str()),
                Some(_) => return prefix,
            }
            prefix.push_str(&level.after);
            prefix.push('/');
        }
        prefix.trim_end_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StateKey {
        "acme/shop.api/staging/network/terraform.tfstate".parse().unwrap()
    }

    fn of(template: &str) -> KeyTemplate {
        KeyTemplate::new(template).unwrap().of(key().owner, Some(key().stack))
    }

    #[test]
    fn a_path_leads_back_to_its_key() {
        for (template, path) in [
            (
                "{owner}/{repo}/{env}/{stack}/terraform.tfstate",
                "acme/shop.api/staging/network/terraform.tfstate",
            ),
            ("{repo}/{env}/terraform.tfstate", "shop.api/staging/terraform.tfstate"),
            ("tf/env-{env}/{repo}.{stack}", ""),
            ("tf/env-{env}/{repo}/s_{stack}.tfstate", "tf/env-staging/shop.api/s_network.tfstate"),
            ("{env}/{repo}/{env}", "staging/shop.api/staging"),
        ] {
            if path.is_empty() {
                assert!(KeyTemplate::new(template).is_err(), "{template}");
                continue;
            }
            assert_eq!(of(template).path(&key()).unwrap(), path);
            assert_eq!(of(template).key(path), Some(key()), "{template}");
        }
    }

    #[test]
    fn what_is_not_a_state_of_the_template_is_none() {
        let template = of("{env}/{repo}");
        assert!(template.key("staging/shop").is_some());
        for other in
            ["staging/shop.tflock", "staging", "staging/shop/x", "Staging/shop", ".infra-sdk/shop", ""]
        {
            assert_eq!(template.key(other), None, "{other}");
        }
        assert_eq!(of("{env}/{repo}/{env}").key("staging/shop/production"), None);
    }

    #[test]
    fn keys_that_would_share_a_state_are_refused() {
        let other = |text: &str| text.parse::<StateKey>().unwrap();
        let template = of("{repo}/{env}/terraform.tfstate");
        let error = template.path(&other("acme/shop.api/staging/service/terraform.tfstate")).unwrap_err();
        assert!(error.to_string().contains("{stack}") && !error.hints().is_empty(), "{error}");
        assert!(template.path(&other("other/shop.api/staging/network/terraform.tfstate")).is_err());
        for bad in [
            "",
            "{repo}",
            "{repo}-{env}/x",
            "/{repo}/{env}",
            "{repo}/../{env}",
            "{repo}/{env",
            "{repo}/{env}/{team}",
            "{repo}/{env}/ä",
        ] {
            assert!(!KeyTemplate::new(bad).unwrap_err().hints().is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_list_begins_where_the_owners_keys_do() {
        let acme = key().owner;
        assert_eq!(KeyTemplate::default().prefix(&acme), "acme/");
        assert_eq!(of("tf/{owner}-x/env-{env}/{repo}").prefix(&acme), "tf/acme-x/env-");
        assert_eq!(of("{repo}/{env}").prefix(&acme), "");
    }
}
