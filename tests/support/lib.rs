//! What the test tiers share: the checkout, scratch folders, running programs to their end, and stand-ins for services.

mod checkout;
pub mod github;
mod nacl;
mod prism;
mod run;
mod scratch;
pub mod service;
mod tools;

pub use checkout::{files, repo, sources};
pub use nacl::{KeyPair, open_sealed};
pub use prism::Prism;
pub use run::{Finished, Run};
pub use scratch::Scratch;
pub use tools::tool;
