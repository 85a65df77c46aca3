//! Counting as Terraform counts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::model::{Actions, Mode, ResourceChange};

/// How many resources each thing is done to.
///
/// A replacement counts as one `add` and one `destroy`, as in Terraform's own line. Moves, reads and what is forgotten
/// stand in none of its counters and have their own here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Made, replaced ones included.
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Destroyed, replaced ones included.
    pub destroy: usize,
    /// Taken into the state.
    pub import: usize,
    /// Given another address.
    #[serde(rename = "move")]
    pub moved: usize,
    /// Kept, and no longer managed.
    pub forget: usize,
    /// Data sources read while applying.
    pub read: usize,
    /// Left as they are; moved and imported ones included where nothing else is done to them.
    pub no_op: usize,
    /// Replaced; each is also one `add` and one `destroy`.
    pub replace: usize,
}

impl Counts {
    /// What one entry of a plan counts for.
    pub fn of(resource: &ResourceChange<'_>) -> Self {
        let actions = &resource.change.actions;
        // What is only read and leaves the code is forgotten without a word.
        if resource.mode == Mode::Data && actions.deletes() {
            return Counts::default();
        }
        Counts {
            no_op: usize::from(actions.is_no_op()),
            read: usize::from(*actions == Actions::Read),
            add: usize::from(actions.creates()),
            change: usize::from(actions.updates()),
            destroy: usize::from(actions.deletes()),
            forget: usize::from(actions.forgets()),
            replace: usize::from(actions.replaces()),
            import: usize::from(resource.importing().is_some()),
            moved: usize::from(resource.previous_address().is_some()),
        }
    }

    /// Adds one entry of a plan.
    pub fn count(&mut self, resource: &ResourceChange<'_>) {
        self.add_all(&Counts::of(resource));
    }

    /// Adds all of another count.
    pub fn add_all(&mut self, other: &Counts) {
        self.add += other.add;
        self.change += other.change;
        self.destroy += other.destroy;
        self.import += other.import;
        self.moved += other.moved;
        self.forget += other.forget;
        self.read += other.read;
        self.no_op += other.no_op;
        self.replace += other.replace;
    }

    /// Whether anything is done at all.
    pub fn is_nothing(&self) -> bool {
        *self == Counts { no_op: self.no_op, ..Counts::default() }
    }
}

/// Terraform's own line, and what that leaves out.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.import > 0 {
            write!(f, "{} to import, ", self.import)?;
        }
        write!(f, "{} to add, {} to change, {} to destroy", self.add, self.change, self.destroy)?;
        match self.replace {
            0 => {}
            1 => f.write_str(" (1 is replaced)")?,
            more => write!(f, " ({more} are replaced)")?,
        }
        for (count, what) in [(self.moved, "moved"), (self.forget, "no longer managed"), (self.read, "read")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
