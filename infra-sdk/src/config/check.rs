//! What must hold between settings: names that point at something, stacks without a circle, paths of a shape.

use std::collections::BTreeMap;

use crate::config::choose::in_order;
use crate::config::{Provider, Settings, check_places, policy, repos};
use crate::names::{EnvName, Label, nearest, quoted};
use crate::tree::{Node, Problem, ProblemKind};

/// Everything in `settings` that does not fit together, with its place in `tree`.
pub(crate) fn check(settings: &Settings, tree: &Node) -> Vec<Problem> {
    let mut check = Check { tree, problems: Vec::new() };
    check.names(settings);
    check.shapes(settings);
    check.secrets(settings);
    policy::check(&settings.policy, &mut check);
    repos::check(&settings.repos, &mut check);
    if let Some(circle) = circle(settings) {
        let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
        let message = format!("the stacks wait for each other: {}", names.join(" → "));
        check.refuse(&["stack", names[0], "after"], message);
    }
    check.problems
}

pub(super) struct Check<'a> {
    tree: &'a Node,
    problems: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn refuse(&mut self, keys: &[&str], message: impl Into<String>) {
        self.problem(keys, ProblemKind::Refused(message.into()));
    }

    /// Notes a problem at the deepest key that stands in the tree.
    pub(super) fn problem(&mut self, keys: &[&str], kind: ProblemKind) {
        let mut node = self.tree;
        for key in keys {
            match node.get(key) {
                Some(below) => node = below,
                None => break,
            }
        }
        let path = keys.iter().fold(String::new(), |path, key| crate::tree::child(&path, key));
        self.problems.push(Problem { origin: Some(node.origin.clone()), path, kind });
    }

    /// Refuses `name`, which is not among `known`.
    pub(super) fn unknown<'b>(
        &mut self,
        keys: &[&str],
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'b str> + Clone,
    ) {
        let message = match nearest(name, known.clone()) {
            Some(near) => format!("there is no {what} {}; did you mean `{near}`?", quoted(name)),
            None => {
                let known: Vec<String> = known.take(20).map(quoted).collect();
                let others = if known.is_empty() {
                    "nor any other".into()
                } else {
                    format!("only {}", known.join(", "))
                };
                format!("there is no {what} {}, {others}", quoted(name))
            }
        };
        self.refuse(keys, message);
    }

    pub(super) fn environments(&mut self, keys: [&str; 2], named: &[EnvName], settings: &Settings) {
        for name in named.iter().filter(|name| !settings.env.contains_key(name.as_str())) {
            let known = settings.env.keys().map(EnvName::as_str);
            self.unknown(&[keys[0], keys[1], "envs"], "environment", name.as_str(), known);
        }
    }

    fn names(&mut self, settings: &Settings) {
        let stacks = settings.stack.keys().map(Label::as_str);
        for (name, stack) in &settings.stack {
            self.environments(["stack", name.as_str()], &stack.envs, settings);
            for after in stack.after.iter().filter(|after| !settings.stack.contains_key(after.as_str())) {
                self.unknown(&["stack", name.as_str(), "after"], "stack", after.as_str(), stacks.clone());
            }
        }
        for (path, export) in &settings.exports {
            if !settings.stack.contains_key(&export.stack) {
                self.unknown(
                    &["exports", path.as_str(), "stack"],
                    "stack",
                    export.stack.as_str(),
                    stacks.clone(),
                );
            }
        }
        if let Some(image) =
            settings.deploy.image.as_ref().filter(|image| !settings.image.contains_key(image.as_str()))
        {
            let known = settings.image.keys().map(Label::as_str);
            self.unknown(&["deploy", "image"], "image", image.as_str(), known);
        }
    }

    fn shapes(&mut self, settings: &Settings) {
        for (name, environment) in &settings.env {
            if *name == EnvName::local() && environment.provider != Provider::Local {
                self.refuse(
                    &["env", "local", "provider"],
                    "must be `local`: this environment needs no account",
                );
            }
            check_places::environment(self, name.as_str(), environment);
        }
        for (name, image) in &settings.image {
            if image.files.is_some() == image.dockerfile.is_some() {
                self.refuse(&["image", name.as_str()], "must have either `files` or `dockerfile`");
            }
            check_places::platforms(self, name.as_str(), image);
            if image.files.is_some() && image.entrypoint.first().is_none_or(String::is_empty) {
                self.refuse(&["image", name.as_str(), "entrypoint"], "must name a program");
            }
            if image.entrypoint.iter().any(|part| part.contains('\0')) {
                self.refuse(
                    &["image", name.as_str(), "entrypoint"],
                    "contains a zero byte, which ends an argument",
                );
            }
            for (key, value) in &image.env {
                if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                    self.refuse(&["image", name.as_str(), "env", key], "is no name and value of a variable");
                }
            }
            if !image.dir.starts_with('/') || image.dir.split('/').any(|part| part == "..") {
                self.refuse(
                    &["image", name.as_str(), "dir"],
                    "must be a path in the image that starts with `/`",
                );
            }
        }
        check_places::ecr(self, &settings.ecr);
        let odd = |c: char| c.is_whitespace() || c.is_control();
        // An empty one is for programs without HTTP: healthy when they keep running.
        let health = &settings.deploy.health;
        if !health.is_empty() && (!health.starts_with('/') || health.contains(odd)) {
            self.refuse(&["deploy", "health"], "must be the path of a URL that starts with `/`, or empty");
        }
        if settings.deploy.wait.is_some_and(|wait| wait.0.is_zero()) {
            self.refuse(&["deploy", "wait"], "must be longer than nothing");
        }
        if settings.deploy.keep == 0 {
            self.refuse(&["deploy", "keep"], "must be at least 1, or there is nothing to roll back to");
        }
        let steps = &settings.deploy.steps;
        let rising = steps.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || steps.first() == Some(&0) || steps.last().is_some_and(|last| *last != 100) {
            self.refuse(&["deploy", "steps"], "must rise from at least 1 to 100, such as `[10, 50, 100]`");
        }
        if settings.deploy.port == Some(0) {
            self.refuse(&["deploy", "port"], "must be from 1 to 65535; leave it out for a free one");
        }
    }
}

/// Stacks that wait for each other in a circle, the first repeated at the end.
fn circle(settings: &Settings) -> Option<Vec<&Label>> {
    let (_, waiting) = in_order(settings.stack.iter());
    let mut walked: Vec<&Label> = vec![waiting.keys().next()?];
    let mut seen: BTreeMap<&Label, usize> = BTreeMap::new();
    loop {
        let here = walked.last().copied()?;
        if let Some(first) = seen.insert(here, walked.len() - 1) {
            return Some(walked.split_off(first));
        }
        // Each of them waits for another of them, so that the walk comes back to where it was.
        walked.push(waiting.get(here)?.after.iter().find(|after| waiting.contains_key(after))?);
    }
}
