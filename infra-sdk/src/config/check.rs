//! What must hold between settings: names that point at something, stacks without a circle, paths of a shape.

use crate::config::{Provider, Settings, Stack, StateKind};
use crate::names::{EnvName, Label, nearest, quoted};
use crate::tree::{Node, Problem, ProblemKind};

/// Everything in `settings` that does not fit together, with its place in `tree`.
pub(crate) fn check(settings: &Settings, tree: &Node) -> Vec<Problem> {
    let mut check = Check { tree, problems: Vec::new() };
    check.names(settings);
    check.shapes(settings);
    if let Some(circle) = circle(settings) {
        let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
        let message = format!("the stacks wait for each other: {}", names.join(" → "));
        check.refuse(&["stack", names[0], "after"], message);
    }
    check.problems
}

struct Check<'a> {
    tree: &'a Node,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn refuse(&mut self, keys: &[&str], message: impl Into<String>) {
        self.problem(keys, ProblemKind::Refused(message.into()));
    }

    /// Notes a problem at the deepest key that stands in the tree.
    fn problem(&mut self, keys: &[&str], kind: ProblemKind) {
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

    /// Refuses `name` when it is not among `known`.
    fn known<'b>(
        &mut self,
        keys: &[&str],
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'b str> + Clone,
    ) {
        if known.clone().any(|other| other == name) {
            return;
        }
        let message = match (nearest(name, known.clone()), known.clone().next()) {
            (Some(near), _) => format!("there is no {what} {}; did you mean `{near}`?", quoted(name)),
            (None, Some(_)) => {
                let known: Vec<String> = known.map(quoted).collect();
                format!("there is no {what} {}, only {}", quoted(name), known.join(", "))
            }
            (None, None) => format!("there is no {what} {}, nor any other", quoted(name)),
        };
        self.refuse(keys, message);
    }

    fn names(&mut self, settings: &Settings) {
        let environments = settings.env.keys().map(|name| name.as_str());
        let stacks = settings.stack.keys().map(Label::as_str);
        for (name, stack) in &settings.stack {
            for env in &stack.envs {
                self.known(
                    &["stack", name.as_str(), "envs"],
                    "environment",
                    env.as_str(),
                    environments.clone(),
                );
            }
            for after in &stack.after {
                self.known(&["stack", name.as_str(), "after"], "stack", after.as_str(), stacks.clone());
            }
        }
        for (name, secret) in &settings.secrets {
            for env in &secret.envs {
                self.known(
                    &["secrets", name.as_str(), "envs"],
                    "environment",
                    env.as_str(),
                    environments.clone(),
                );
            }
        }
        for (path, export) in &settings.exports {
            self.known(&["exports", path.as_str(), "stack"], "stack", export.stack.as_str(), stacks.clone());
        }
        if let Some(image) = &settings.deploy.image {
            let images = settings.image.keys().map(Label::as_str);
            self.known(&["deploy", "image"], "image", image.as_str(), images);
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
            let Some(state) = &environment.state else { continue };
            if state.backend != StateKind::Local && state.bucket.is_none() {
                self.problem(&["env", name.as_str(), "state", "bucket"], ProblemKind::Missing);
            }
        }
        for (name, image) in &settings.image {
            if image.entrypoint.first().is_none_or(String::is_empty) {
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
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if !settings.deploy.health.starts_with('/') || settings.deploy.health.contains(odd) {
            self.refuse(&["deploy", "health"], "must be the path of a URL that starts with `/`");
        }
        if settings.deploy.wait.0.is_zero() {
            self.refuse(&["deploy", "wait"], "must be longer than nothing");
        }
        if settings.deploy.keep == 0 {
            self.refuse(&["deploy", "keep"], "must be at least 1, or there is nothing to roll back to");
        }
        if settings.deploy.port == Some(0) {
            self.refuse(&["deploy", "port"], "must be from 1 to 65535; leave it out for a free one");
        }
    }
}

/// Stacks that come after each other in a circle, the first repeated at the end.
fn circle(settings: &Settings) -> Option<Vec<&Label>> {
    // The stacks that stay when all that wait for nobody are taken away, again and again.
    let mut waiting: Vec<(&Label, &Stack)> = settings.stack.iter().collect();
    loop {
        let left = waiting.len();
        let names: Vec<&Label> = waiting.iter().map(|(name, _)| *name).collect();
        waiting.retain(|(_, stack)| stack.after.iter().any(|after| names.contains(&after)));
        if waiting.len() == left {
            break;
        }
    }
    let mut walked: Vec<&Label> = vec![waiting.first()?.0];
    loop {
        let here = waiting.iter().find(|(name, _)| Some(name) == walked.last())?.1;
        let next = here.after.iter().find(|after| waiting.iter().any(|(name, _)| name == after))?;
        let seen = walked.iter().position(|name| *name == next);
        walked.push(next);
        if let Some(seen) = seen {
            return Some(walked.split_off(seen));
        }
    }
}
