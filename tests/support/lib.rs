//! What the test tiers share: the checkout, scratch folders, running programs to their end, and stand-ins for services.

mod aws_fake;
mod checkout;
mod docker_registry;
mod ecs_course;
pub mod ecs_fake;
pub mod github;
mod moto;
mod nacl;
mod prism;
mod pullable;
mod recorder;
pub mod registry;
mod run;
mod s3;
mod scratch;
pub mod service;
mod tools;
mod worker_api;
mod worker_containers;
pub mod worker_fake;
pub mod wrangler;

pub use aws_fake::{AwsFake, Step, base64};
pub use checkout::{files, repo, sources};
pub use docker_registry::{DockerRegistry, PASSWORD, USER};
pub use moto::Moto;
pub use nacl::{KeyPair, open_sealed};
pub use prism::Prism;
pub use pullable::Pullable;
pub use recorder::{Answer, Recorder, Request};
pub use run::{Finished, Run};
pub use s3::S3;
pub use scratch::Scratch;
pub use tools::tool;
pub use worker_api::WorkerApi;
