//! Images in ECR: the registry's token, the settings of its repositories, and its scans.

mod client;
mod host;
mod lifecycle;
mod place;
mod pull;
mod registry;
mod repository;
mod scan;
mod token;

pub use place::Ecr;
pub use registry::EcrRegistry;
