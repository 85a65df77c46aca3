//! One change as a page shows it: its texts without secrets, its values not yet looked into.

use crate::error::Result;
use crate::plan::judge::Level;
use crate::plan::model::{Actions, ResourceChange, Severity};

/// A change. Texts are as the plan has them, except for secrets: escaping is the renderer's.
pub(super) struct Entry<'p> {
    pub(super) source: &'p ResourceChange<'p>,
    pub(super) address: String,
    pub(super) deposed: Option<String>,
    pub(super) kind: String,
    /// In Terraform's words.
    pub(super) reason: Option<String>,
    pub(super) replace_paths: Vec<String>,
    pub(super) moved_from: Option<String>,
    pub(super) import_id: Option<String>,
    /// The names of actions that this version does not know.
    pub(super) other_actions: Vec<String>,
    /// Places in the findings of the stack.
    pub(super) findings: Vec<usize>,
    pub(super) worst: Option<Level>,
}

impl<'p> Entry<'p> {
    pub(super) fn of(source: &'p ResourceChange<'p>) -> Result<Self> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Entry {
            source,
            address: source.address.to_string(),
            deposed: owned(source.deposed()),
            kind: source.kind.to_string(),
            reason: owned(source.action_reason()),
            replace_paths: crate::plan::diff::forcing(source)?,
            moved_from: owned(source.previous_address()),
            import_id: source.importing().and_then(|importing| importing.id()),
            other_actions: match &source.change.actions {
                Actions::Other(names) => names.to_vec(),
                _ => Vec::new(),
            },
            findings: Vec::new(),
            worst: None,
        })
    }

    /// Every text that came out of the plan.
    pub(super) fn texts<'t>(&'t mut self, texts: &mut Vec<&'t mut String>) {
        texts.extend([&mut self.address, &mut self.kind]);
        texts.extend(&mut self.deposed);
        texts.extend(&mut self.reason);
        texts.extend(&mut self.replace_paths);
        texts.extend(&mut self.moved_from);
        texts.extend(&mut self.import_id);
        texts.extend(&mut self.other_actions);
    }

    /// What is done, in order.
    pub(super) fn actions(&self) -> Vec<&str> {
        match &self.source.change.actions {
            Actions::Other(_) => self.other_actions.iter().map(String::as_str).collect(),
            known => known.names(),
        }
    }

    /// The sign before its address.
    pub(super) fn sign(&self) -> &'static str {
        match &self.source.change.actions {
            Actions::NoOp if self.source.importing().is_some() => "<-",
            Actions::NoOp if self.moved_from.is_some() => "->",
            actions => actions.sign(),
        }
    }

    /// What it is one, or many, of where it does not fit.
    pub(super) fn class(&self) -> (&'static str, &'static str) {
        match self.source.severity() {
            Severity::Nothing => ("unchanged resource", "unchanged resources"),
            Severity::Read => ("read", "reads"),
            Severity::ImportOrMove => ("import or move", "imports or moves"),
            Severity::Create => ("create", "creates"),
            Severity::Update => ("update", "updates"),
            Severity::Forget => ("forgotten or unknown action", "forgotten or unknown actions"),
            Severity::ReplaceCreatingFirst | Severity::ReplaceDeletingFirst => {
                ("replacement", "replacements")
            }
            Severity::Delete => ("destroy", "destroys"),
        }
    }

    /// Higher comes first: an error above all, then what hurts; a finding lifts what would hurt less.
    pub(super) fn rank(&self) -> (Severity, Option<Level>, Severity) {
        let severity = self.source.severity();
        let lifted = match self.worst {
            Some(Level::Error) => Severity::Delete,
            Some(Level::Warning) => severity.max(Severity::ReplaceCreatingFirst),
            Some(Level::Note) => severity.max(Severity::Update),
            None => severity,
        };
        (lifted, self.worst, severity)
    }

    /// Whether its attributes tell more than that it comes or goes.
    pub(super) fn has_details(&self) -> bool {
        let actions = &self.source.change.actions;
        actions.creates() || actions.updates() || matches!(actions, Actions::Other(_))
    }
}
