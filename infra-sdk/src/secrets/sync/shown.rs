//! Plans and reports of syncs as people read them.

use std::fmt;

use crate::names::SecretName;
use crate::secrets::sync::compare::Action;
use crate::secrets::sync::plan::{SyncPlan, TargetPlan};
use crate::secrets::sync::report::{SyncReport, TargetReport};
use crate::secrets::sync::target::SyncOptions;

impl fmt::Display for SyncPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, target) in self.targets.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{}", Planned(target, self.options))?;
        }
        for unseen in &self.unseen {
            write!(f, "\n{} cannot be looked at and is left out: {}", unseen.store, unseen.error)?;
        }
        if self.targets.is_empty() {
            f.write_str("no store to sync to")?;
        }
        Ok(())
    }
}

struct Planned<'a>(&'a TargetPlan, SyncOptions);

impl fmt::Display for Planned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Planned(plan, options) = self;
        let count = |action: Action| plan.of(action).count();
        let counts = [
            (count(Action::Create), "to create"),
            (count(Action::Update), "to update"),
            (count(Action::Drifted), if options.repair { "to repair" } else { "changed elsewhere" }),
            (count(Action::Prune), if options.prune { "to remove" } else { "not wanted any more" }),
            (count(Action::Foreign), "of others"),
            (count(Action::Unchanged), "unchanged"),
        ];
        let calls = plan.calls;
        write!(f, "{} ({}): {}; {calls}", plan.target, plan.store, Counts(&counts))?;
        for secret in plan.secrets.iter().filter(|secret| secret.action != Action::Unchanged) {
            let means = match secret.action {
                Action::Drifted if !options.repair => "  changed elsewhere: `--repair` writes over it",
                Action::Prune if !options.prune => "  not wanted any more: `--prune` removes it",
                Action::Foreign => "  not from here: left alone",
                _ => "",
            };
            write!(f, "\n  {:<8}{}{means}", secret.action, secret.name)?;
        }
        note(f, plan.note.as_deref())
    }
}

impl fmt::Display for SyncReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, target) in self.targets.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{target}")?;
        }
        if self.targets.is_empty() {
            f.write_str("no store to sync to")?;
        }
        Ok(())
    }
}

impl fmt::Display for TargetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.created.len(), "created"),
            (self.updated.len(), "updated"),
            (self.repaired.len(), "repaired"),
            (self.pruned.len(), "removed"),
            (self.unchanged, "unchanged"),
            (self.foreign.len(), "of others"),
        ];
        write!(f, "{} ({}): {}", self.target, self.store, Counts(&counts))?;
        names(f, "left", &self.left)?;
        if let Some(failure) = &self.failure {
            write!(f, "\n  failed: {failure}")?;
        }
        names(f, "changed elsewhere, `--repair` writes over it", &self.drifted)?;
        names(f, "not wanted any more, `--prune` removes it", &self.prunable)?;
        note(f, self.note.as_deref())
    }
}

fn names(f: &mut fmt::Formatter<'_>, what: &str, names: &[SecretName]) -> fmt::Result {
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(SecretName::as_str).collect();
    write!(f, "\n  {what}: {}", names.join(", "))
}

fn note(f: &mut fmt::Formatter<'_>, note: Option<&str>) -> fmt::Result {
    note.map_or(Ok(()), |note| write!(f, "\n  note: {note}"))
}

/// What there is any of.
struct Counts<'a>(&'a [(usize, &'a str)]);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (count, what) in self.0.iter().filter(|(count, _)| *count > 0) {
            write!(f, "{}{count} {what}", if first { "" } else { ", " })?;
            first = false;
        }
        if first { f.write_str("nothing to do") } else { Ok(()) }
    }
}
