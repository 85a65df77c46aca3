//! Who may plan a resource at all, and what nobody may destroy.

use crate::plan::judge::check::finding;
use crate::plan::judge::pattern::Pattern;
use crate::plan::judge::{Finding, Level, Rules};
use crate::plan::model::ResourceChange;

/// Refuses whatever is done to a type that belongs to another repo; taking it into the state counts as well.
pub(super) fn ownership(resource: &ResourceChange<'_>, rules: &Rules) -> Option<Finding> {
    rules.owned.iter().find(|owned| Pattern::new(owned).covers(resource))?;
    Some(finding(
        resource,
        "ownership",
        Level::Error,
        format!("{} belongs to the infrastructure repo", resource.kind),
        "ask for it in the infrastructure repo and read it through [refs]",
    ))
}

/// Refuses the end of what is protected, and that another takes its place.
pub(super) fn protected(resource: &ResourceChange<'_>, rules: &Rules) -> Option<Finding> {
    let patterns = || rules.protected.iter().map(|pattern| Pattern::new(pattern));
    let previous = resource.previous_address();
    let covers = patterns().any(|pattern| pattern.covers(resource));
    let covered = previous.is_some_and(|previous| patterns().any(|pattern| pattern.named(previous)));
    if !covers && !covered {
        return None;
    }
    let actions = &resource.change.actions;
    let (level, message, hint) = if actions.deletes() || actions.replaces() {
        let message = match (resource.deposed().is_some(), actions.replaces()) {
            // What is there stays, but everybody who used it is now given an empty one.
            _ if !actions.deletes() => {
                "it is protected and would be replaced, and what is there no longer managed"
            }
            (true, _) => "an old object of a protected resource is destroyed",
            (false, true) => "it is protected and would be replaced, which destroys what is there",
            (false, false) => "it is protected and would be destroyed",
        };
        let hint = "change the code so that it stays; to let it go, take it off `protected` of [policy] first, \
                    in a change of its own";
        (Level::Error, message, hint)
    } else if actions.forgets() {
        let hint = "make sure that somebody else looks after it, or keep its block";
        (Level::Warning, "it is protected and would no longer be managed", hint)
    } else if !covers {
        let hint = "add its new address to `protected` of [policy]";
        (Level::Warning, "it is protected by an address that it moves away from", hint)
    } else {
        return None;
    };
    Some(finding(resource, "protected", level, message, hint))
}
