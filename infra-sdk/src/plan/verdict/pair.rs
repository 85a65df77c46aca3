//! One resource of the approved plan against the same one of the re-plan.

use crate::error::Result;
use crate::plan::json::{Mark, Value};
use crate::plan::model::{Actions, ResourceChange};
use crate::plan::verdict::Weight;
use crate::plan::verdict::attribute::Contents;
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::entry::{Entry, Values, forced_by, is_unknown};
use crate::plan::verdict::key::ApprovalKey;
use crate::plan::verdict::lost::lost;
use crate::plan::verdict::print::{Node, Seal};
use crate::plan::verdict::probe::{Outcome, probe};

const TAINTED: &str = "replace_because_tainted";

/// Compares an approved change with what the re-plan says of its resource; `None` when that is not there.
pub(super) fn pair(
    key: &ApprovalKey,
    approved: &Entry,
    now: Option<&ResourceChange<'_>>,
    reasons: &mut Reasons,
) -> Result<()> {
    let seal = Seal { key, address: &approved.address };
    let Some(now) = now else {
        if approved.actions.is_no_op() {
            let what = if approved.import.is_some() { "import" } else { "move" };
            reasons.trap(&approved.address, format!("its {what} has vanished, and so has the resource"));
        } else {
            lost(seal, approved, None, reasons);
        }
        return Ok(());
    };
    let values = Values::of(&now.change)?;
    moved(approved, now, reasons);
    imported(seal, approved, now, reasons)?;
    if let (Some(before), Some(after)) = (&approved.provider, &now.provider_name)
        && **before != **after
    {
        reasons.add(Weight::Wider, &now.address, "is managed by another provider than approved");
    }
    if now.change.actions.is_no_op() {
        if !approved.actions.is_no_op() {
            lost(seal, approved, Some(&values), reasons);
        }
        return Ok(());
    }
    if !acted(approved, now, &values, reasons) {
        return Ok(());
    }
    forced(approved, now, reasons)?;
    Contents { seal, approved, values: &values, address: &now.address }.compare(reasons);
    Ok(())
}

/// What to say of a change that has no counterpart.
pub(super) fn unapproved(now: &ResourceChange<'_>) -> String {
    let what = match &now.change.actions {
        Actions::NoOp if now.importing().is_some() => "is imported",
        Actions::NoOp => "is moved",
        Actions::Create => "is created",
        Actions::Read => "is read while applying",
        Actions::Update => "is changed",
        Actions::Delete if now.deposed().is_some() => "has an old object that is destroyed",
        Actions::Delete => "is destroyed",
        Actions::Forget => "is no longer managed",
        Actions::DeleteThenCreate => "is destroyed and created anew",
        Actions::CreateThenDelete | Actions::CreateThenForget => "is replaced",
        Actions::Other(_) => "is done something to that this version does not know",
    };
    format!("{what}, which nobody approved")
}

fn moved(approved: &Entry, now: &ResourceChange<'_>, reasons: &mut Reasons) {
    let address = &*now.address;
    match (approved.from.as_deref(), now.previous_address()) {
        (None, None) => {}
        (Some(a), Some(b)) if a == b => {}
        (Some(from), None) if from == address => {
            reasons.trap(address, "its move has vanished although it was not carried out");
        }
        (Some(_), None) => reasons.add(Weight::Narrower, address, "is moved already"),
        (None, Some(_)) => reasons.add(Weight::Wider, address, "is moved, which nobody approved"),
        (Some(_), Some(_)) => {
            reasons.add(Weight::Wider, address, "is moved from another address than approved");
        }
    }
}

fn imported(seal: Seal<'_>, approved: &Entry, now: &ResourceChange<'_>, reasons: &mut Reasons) -> Result<()> {
    let address = &*now.address;
    let Some(importing) = now.importing() else {
        // What is created instead is told by its action.
        if approved.import.is_some() && !now.change.actions.creates() {
            reasons.add(Weight::Narrower, address, "is imported already");
        }
        return Ok(());
    };
    let Some(print) = &approved.import else {
        reasons.add(Weight::Wider, address, "is imported, which nobody approved");
        return Ok(());
    };
    let value = Value::of(importing.raw)?;
    let unknown = is_unknown(&value);
    let node = Node { value: &value, unknown: Mark::of(&unknown), sensitive: Mark::NONE };
    let found = probe(seal, "importing", Some(print), node);
    if found.is_empty() {
        return Ok(());
    }
    if found.iter().all(|(outcome, _)| *outcome == Outcome::Resolved) {
        reasons.add(Weight::Resolved, address, "what is imported was unknown and is known now");
    } else {
        reasons.add(Weight::Wider, address, "something else is imported than approved");
    }
    Ok(())
}

/// Compares what is done; `false` when that alone has to be approved again, so that values tell nothing.
fn acted(approved: &Entry, now: &ResourceChange<'_>, values: &Values<'_>, reasons: &mut Reasons) -> bool {
    let (a, b, address) = (&approved.actions, &now.change.actions, &*now.address);
    let is_damaged = now.action_reason() == Some(TAINTED) && approved.reason.as_deref() != Some(TAINTED);
    if is_damaged && b.deletes() {
        let what = "an interrupted apply left it damaged, so it is destroyed and created anew";
        reasons.add(Weight::Wider, address, what);
        return a == b;
    }
    if a == b {
        if approved.reason.as_deref() != now.action_reason() {
            reasons.add(Weight::Same, address, "the same is done for another reason");
        }
        return true;
    }
    let mut wider = |what: String| {
        reasons.add(Weight::Wider, address, what);
        false
    };
    if a.replaces() && *b == Actions::Create && values.all_before().is_nothing() {
        reasons.add(Weight::Narrower, address, "is only created: the old one is gone already");
        return true;
    }
    if a.is_no_op() {
        return wider(unapproved(now));
    }
    if *a == Actions::CreateThenDelete && *b == Actions::DeleteThenCreate {
        return wider("the old one is destroyed before the new one is there".to_owned());
    }
    if b.severity() >= a.severity() || (b.creates() && !a.creates()) {
        return wider(format!("the plan is to {} it, and approved was to {} it", b.word(), a.word()));
    }
    if *a == Actions::DeleteThenCreate && *b == Actions::CreateThenDelete {
        reasons.add(Weight::Narrower, address, "the new one is created before the old one is destroyed");
        return true;
    }
    let what = if a.replaces() && b.updates() {
        "is changed in place rather than replaced: what asked for the replacement was applied alone, or is gone"
            .to_owned()
    } else {
        format!("the plan is only to {} it, and approved was to {} it", b.word(), a.word())
    };
    reasons.trap(address, what);
    true
}

/// Compares what forces a replacement.
fn forced(approved: &Entry, now: &ResourceChange<'_>, reasons: &mut Reasons) -> Result<()> {
    if !now.change.actions.replaces() || !approved.actions.replaces() {
        return Ok(());
    }
    let paths = forced_by(now)?;
    for path in paths.difference(&approved.forced_by) {
        let what = format!("`{path}` forces its replacement, too");
        reasons.add(Weight::Wider, &now.address, what);
    }
    for path in approved.forced_by.difference(&paths) {
        let what = format!("`{path}` does not force its replacement any more");
        reasons.add(Weight::Narrower, &now.address, what);
    }
    Ok(())
}
