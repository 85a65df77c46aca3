//! What the test tiers share: the checkout, scratch folders, running programs to their end, services that record or emulate.

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
