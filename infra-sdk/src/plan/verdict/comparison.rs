//! What came of holding two plans against each other.

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;

use crate::plan::plain::plain;
use crate::plan::verdict::{Verdict, Weight};

/// How many reasons a person is shown.
const SHOWN: usize = 50;

/// The verdict and everything it rests on. Holds addresses and names of attributes, never values.
///
/// Addresses and names are as the plan has them and may hold anything: mask and escape them for where they are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The heaviest of the reasons; equal when there is none.
    pub verdict: Verdict,
    /// Whether an approval of the one covers applying the other, see [`Comparison::allows_apply`].
    pub allows_apply: bool,
    /// Every reason, the heaviest first, then by address.
    pub reasons: Vec<Reason>,
}

/// One thing in which the re-plan differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// The resource; `output.NAME`, `check.NAME`, `provider.KEY` or `var.NAME`; empty for the plan as a whole.
    pub address: String,
    /// What differs, as one sentence about it.
    pub what: String,
    /// What that does to the verdict.
    pub weight: Weight,
    /// Whether less is done for a bad reason: a change vanished that was not carried out.
    pub trap: bool,
}

impl Comparison {
    pub(super) fn new(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_by(|a, b| {
            let order = |reason: &Reason| (Reverse(reason.weight), !reason.trap);
            order(a).cmp(&order(b)).then_with(|| (&a.address, &a.what).cmp(&(&b.address, &b.what)))
        });
        reasons.dedup();
        let verdict = reasons.first().map_or(Verdict::Equal, |reason| reason.weight.verdict());
        let is_trap = reasons.iter().any(|reason| reason.trap);
        Comparison { verdict, allows_apply: verdict.exit_code() == 0 && !is_trap, reasons }
    }

    /// Whether an approval of the one covers applying the other: the verdict is equal, resolved or narrower, and nothing
    /// vanished that was not carried out.
    pub fn allows_apply(&self) -> bool {
        self.allows_apply
    }

    /// The reasons for which a smaller plan is not a harmless one.
    pub fn traps(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| reason.trap)
    }
}

/// The verdict, and the first 50 reasons, each on its line.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.verdict {
            Verdict::Equal => "it does what was approved",
            Verdict::Resolved => "it does what was approved, and more of it is known",
            Verdict::Narrower if self.allows_apply => "it does less than was approved",
            Verdict::Narrower => {
                "it does less than was approved, and not because that was done: look at it again"
            }
            Verdict::Wider => "it does more than was approved: have it approved again",
            Verdict::Unrelated => "it is of another stack than the approved one",
        };
        write!(f, "{}: {meaning}", self.verdict)?;
        // Keys in an address are free text and must not break out of their line.
        for reason in self.reasons.iter().take(SHOWN) {
            let weight = if reason.trap { "trap".to_owned() } else { reason.weight.to_string() };
            let address = if reason.address.is_empty() { "the plan" } else { &reason.address };
            write!(f, "\n  {weight:<9} {}: {}", plain(address), plain(&reason.what))?;
        }
        match self.reasons.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Gathers the reasons.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<Reason>);

impl Reasons {
    pub(super) fn add(&mut self, weight: Weight, address: &str, what: impl Into<String>) {
        self.0.push(Reason { address: address.to_owned(), what: what.into(), weight, trap: false });
    }

    /// Less is done, and for a bad reason.
    pub(super) fn trap(&mut self, address: &str, what: impl Into<String>) {
        let weight = Weight::Narrower;
        self.0.push(Reason { address: address.to_owned(), what: what.into(), weight, trap: true });
    }

    pub(super) fn finish(self) -> Comparison {
        Comparison::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_reason_decides_and_a_trap_stops_an_apply() {
        let mut reasons = Reasons::default();
        reasons.add(Weight::Resolved, "a", "x");
        reasons.add(Weight::Narrower, "a", "y");
        reasons.trap("z", "z");
        let comparison = reasons.finish();
        assert_eq!((comparison.verdict, comparison.allows_apply()), (Verdict::Narrower, false));
        assert_eq!(
            comparison.reasons.iter().map(|reason| reason.address.as_str()).collect::<String>(),
            "zaa"
        );
        assert_eq!(comparison.traps().count(), 1);
        let json = serde_json::to_value(&comparison).unwrap();
        assert_eq!(json["reasons"][0]["trap"], true);
        assert_eq!((&json["verdict"], &json["allows_apply"]), (&"narrower".into(), &false.into()));
    }

    #[test]
    fn a_person_is_shown_fifty_lines_and_none_that_an_address_breaks() {
        let mut reasons = Reasons::default();
        (0..60).for_each(|index| reasons.add(Weight::Wider, &format!("a[\"\n{index}\"]"), "b\u{1b}c"));
        let comparison = reasons.finish();
        let text = comparison.to_string();
        assert_eq!((text.lines().count(), comparison.reasons.len()), (52, 60));
        assert!(text.ends_with("and 10 more") && !text.contains('\u{1b}'), "{text}");
    }
}
