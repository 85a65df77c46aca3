//! What the test tiers share: the checkout, scratch folders, running programs to their end, and stand-ins for services.

mod aws_fake;
mod checkout;
mod docker_registry;
mod ecs_course;
pub mod ecs_fake;
pub mod github;
mod moto;
mod nacl;
mod nats_account;
mod nats_server;
mod prism;
mod pullable;
mod recorder;
pub mod registry;
#[cfg(feature = "remote")]
pub mod relay;
mod run;
mod s3;
mod scratch;
pub mod service;
mod tools;
mod worker_api;

pub use aws_fake::{AwsFake, Step, base64};
pub use checkout::{files, repo, sources};
pub use docker_registry::{DockerRegistry, PASSWORD, USER};
pub use moto::Moto;
pub use nacl::{KeyPair, open_sealed};
pub use nats_account::NatsAccount;
pub use nats_server::{DEBIAN_NATS_SERVER, LEAST_NATS_SERVER, NATS_SERVER, NatsServer, OLD_NATS_SERVER};
pub use prism::Prism;
pub use pullable::Pullable;
pub use recorder::{Answer, Recorder, Request};
pub use run::{Finished, Run};
pub use s3::S3;
pub use scratch::Scratch;
pub use tools::tool;
pub use worker_api::WorkerApi;
