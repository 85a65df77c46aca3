//! What the test tiers share: the checkout, scratch folders, running programs to their end, services that record or emulate.
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
//! What the test tiers share: the checkout, scratch folders, running programs to their end, services that record.

mod checkout;
mod moto;
mod recorder;
mod run;
mod scratch;
mod worker_api;

pub use checkout::{files, repo, sources};
pub use moto::Moto;
pub use recorder::{Answer, Recorder, Request};
pub use run::{Finished, Run};
pub use scratch::Scratch;
pub use worker_api::WorkerApi;
