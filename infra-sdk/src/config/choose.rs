//! Questions every capability asks of the settings: which image, which stacks, in which order.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Image, Settings, Stack};
use crate::error::{Error, Result};
use crate::names::{EnvName, Label};

impl Settings {
    /// The image that is rolled out: the one `[deploy]` names, or the only one.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Invalid` when there are several and none is named.
    pub fn image_to_deploy(&self) -> Result<(&Label, &Image)> {
        if let Some(name) = &self.deploy.image {
            return self.image.get_key_value(name).ok_or_else(|| {
                Error::not_found(format!("there is no image `{name}`"))
                    .hint(format!("add `[image.{name}]` to infra.toml, or correct `deploy.image`"))
            });
        }
        let mut images = self.image.iter();
        match (images.next(), images.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Error::not_found("infra.toml has no image to deploy")
                .hint("add `[image.NAME]` with `files` and `entrypoint`")),
            (Some(_), Some(_)) => {
                let names: Vec<&str> = self.image.keys().map(Label::as_str).collect();
                Err(Error::invalid("infra.toml does not say which image is deployed")
                    .with("images", names.join(", "))
                    .hint(format!("write `image = \"{}\"` under `[deploy]`", names[0])))
            }
        }
    }

    /// The stacks of an environment, each after those it waits for, otherwise by name.
    pub fn stacks_in_order(&self, environment: &EnvName) -> Vec<(&Label, &Stack)> {
        let here = |(_, stack): &(&Label, &Stack)| stack.envs.is_empty() || stack.envs.contains(environment);
        let (mut ordered, circle) = in_order(self.stack.iter().filter(here));
        // Loading refuses circles; settings made by hand still give every stack.
        ordered.extend(circle);
        ordered
    }
}

/// Stacks after those they wait for, otherwise by name; and those that wait for each other in a circle, or for one
/// that does. Waiting for a stack that is not among them counts for nothing.
pub(crate) fn in_order<'a>(
    stacks: impl Iterator<Item = (&'a Label, &'a Stack)>,
) -> (Vec<(&'a Label, &'a Stack)>, BTreeMap<&'a Label, &'a Stack>) {
    let mut waiting: BTreeMap<&Label, &Stack> = stacks.collect();
    let mut missing: BTreeMap<&Label, usize> = BTreeMap::new();
    let mut followers: BTreeMap<&Label, Vec<&Label>> = BTreeMap::new();
    for (name, stack) in &waiting {
        let after: BTreeSet<&Label> =
            stack.after.iter().filter(|after| waiting.contains_key(after)).collect();
        missing.insert(name, after.len());
        after.into_iter().for_each(|after| followers.entry(after).or_default().push(name));
    }
    let mut free: BTreeSet<&Label> =
        missing.iter().filter(|(_, left)| **left == 0).map(|(name, _)| *name).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(name) = free.pop_first() {
        ordered.extend(waiting.remove_entry(name));
        for follower in followers.remove(name).unwrap_or_default() {
            if let Some(left) = missing.get_mut(follower) {
                *left -= 1;
                if *left == 0 {
                    free.insert(follower);
                }
            }
        }
    }
    (ordered, waiting)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::names::EnvName;

    fn config(text: &str) -> Config {
        let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[env.staging]\n";
        Config::of_text(&format!("{project}{text}"), "/srv", "local").unwrap()
    }

    #[test]
    fn stacks_come_after_those_they_wait_for_in_the_environments_they_exist_in() {
        let config = config(
            "[stack.a]\ndir = \"a\"\nafter = [\"c\", \"b\"]\n[stack.b]\ndir = \"b\"\nafter = [\"c\"]\nenvs = [\"staging\"]\n[stack.c]\ndir = \"c\"\n",
        );
        let order = |env: &str| -> Vec<String> {
            let stacks = config.settings().stacks_in_order(&EnvName::new(env).unwrap());
            stacks.iter().map(|(name, _)| name.to_string()).collect()
        };
        assert_eq!(order("staging"), ["c", "b", "a"]);
        assert_eq!(order("local"), ["c", "a"]);
    }

    #[test]
    fn the_only_image_is_deployed_and_several_must_be_chosen_from() {
        let image = |name: &str| format!("[image.{name}]\nfiles = \"dist\"\nentrypoint = [\"x\"]\n");
        assert_eq!(config(&image("app")).settings().image_to_deploy().unwrap().0.as_str(), "app");
        let two = format!("{}{}", image("app"), image("web"));
        assert!(config(&two).settings().image_to_deploy().unwrap_err().to_string().contains("app, web"));
        let chosen = config(&format!("{two}[deploy]\nimage = \"web\"\n"));
        assert_eq!(chosen.settings().image_to_deploy().unwrap().0.as_str(), "web");
        assert!(config("").settings().image_to_deploy().unwrap_err().hints()[0].contains("[image.NAME]"));
    }
}
