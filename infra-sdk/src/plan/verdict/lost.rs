//! An approved change that the re-plan lacks: carried out already, or vanished.

use crate::plan::verdict::Weight;
use crate::plan::verdict::attribute::is_moment;
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::entry::{Attribute, Entry, Values};
use crate::plan::verdict::print::{Leaf, Print, Seal, member};
use crate::plan::verdict::probe::{Outcome, probe};

/// Says what became of the action of `approved`. `present` are the values in the re-plan, which does nothing to them;
/// `None` when the resource is not there.
pub(super) fn lost(seal: Seal<'_>, approved: &Entry, present: Option<&Values<'_>>, reasons: &mut Reasons) {
    let lost = Lost { seal, approved, present };
    let (actions, address) = (&approved.actions, approved.address.as_str());
    let mut done = |what: &str| reasons.add(Weight::Narrower, address, what);
    if approved.data {
        return reasons.add(Weight::Resolved, address, "what it reads was unknown and is known now");
    }
    let vanished = if actions.replaces() {
        if lost.is_replaced() {
            return done("is replaced already");
        }
        "its replacement has vanished although it was not carried out: what asked for it was applied alone, or is gone"
    } else if actions.deletes() || actions.forgets() {
        match present {
            None if actions.deletes() => return done("is destroyed already"),
            None => return done("is not managed any more already"),
            Some(_) if actions.deletes() => "its destruction has vanished although it was not carried out",
            Some(_) => "it was to be no longer managed, and still is",
        }
    } else if actions.creates() {
        if lost.has(|_| true) {
            return done("is created already");
        }
        match present {
            None => "its creation has vanished although it was not carried out",
            Some(_) => "its creation has vanished: it is there, with other values than approved",
        }
    } else if actions.updates() {
        if present.is_some() && !lost.approved.attributes.values().any(is_known_change) {
            return done("what it waited for is known, and leaves nothing to change");
        }
        if lost.has(is_known_change) {
            return done("is changed already");
        }
        "its change has vanished although it was not carried out"
    } else {
        "what was to be done to it has vanished, and this version cannot tell whether it was carried out"
    };
    reasons.trap(address, vanished);
}

struct Lost<'l> {
    seal: Seal<'l>,
    approved: &'l Entry,
    present: Option<&'l Values<'l>>,
}

impl Lost<'_> {
    /// Whether the known part of what was approved is there, for the attributes that are asked for.
    fn has(&self, asked: impl Fn(&Attribute) -> bool) -> bool {
        let Some(present) = self.present else { return false };
        let mut attributes = self.approved.attributes.iter().filter(|(_, attribute)| asked(attribute));
        attributes.all(|(name, attribute)| {
            let found = probe(self.seal, &member("", name), attribute.after().as_ref(), present.before(name));
            found.iter().all(|(outcome, _)| *outcome == Outcome::Resolved)
        })
    }

    /// Whether the object is another one than before, with the values that were approved.
    fn is_replaced(&self) -> bool {
        let Some(present) = self.present.filter(|_| self.has(|_| true)) else { return false };
        let is_forced = self.approved.attributes.iter().any(|(name, attribute)| {
            is_known_change(attribute) && self.approved.forced_by.iter().any(|path| begins_with(path, name))
        });
        if is_forced {
            return true;
        }
        let (mut is_new, mut is_old) = (false, false);
        for (name, attribute) in &self.approved.attributes {
            let Attribute::Changes { before: Some(before), after: Some(Print::Leaf(Leaf::Unknown)) } =
                attribute
            else {
                continue;
            };
            let value = present.before(name).value;
            if self.seal.stamp(&member("", name), value) == *before {
                // One name of the object that is the old one is enough.
                is_old |= identifies(name);
            } else {
                // Points in time change by themselves.
                is_new |= !value.is_null() && !is_moment(value);
            }
        }
        is_new && !is_old
    }
}

/// Whether the attribute tells an object from others of its kind.
fn identifies(name: &str) -> bool {
    matches!(name, "arn" | "id" | "self_link" | "uid" | "uuid") || name.ends_with("_id")
}

/// Whether it gets a value that is known, or loses the one it has.
fn is_known_change(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Stays(_) => false,
        Attribute::Changes { after: Some(after), .. } => after.is_known_somewhere(),
        Attribute::Changes { before, after: None } => before.is_some(),
    }
}

/// Whether the path leads into the attribute.
fn begins_with(path: &str, name: &str) -> bool {
    let attribute = member("", name);
    path.strip_prefix(&attribute).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether an old object that is to be destroyed is the one whose replacement was approved: what it is now is what it was.
pub(super) fn is_old_half(seal: Seal<'_>, approved: &Entry, old: &Values<'_>) -> bool {
    let mut names = old.names();
    names.extend(approved.attributes.keys().map(String::as_str));
    approved.has_before()
        && names.into_iter().all(|name| {
            let now = old.before(name);
            let stamp = (!now.is_nothing()).then(|| seal.stamp(&member("", name), now.value));
            stamp == approved.attributes.get(name).and_then(Attribute::before)
        })
}
