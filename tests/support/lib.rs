//! What the test tiers share: the checkout, scratch folders, running programs to their end.

mod checkout;
mod run;
mod scratch;

pub use checkout::{files, repo, sources};
pub use run::{Finished, Run};
pub use scratch::Scratch;
