//! Releases on ECS: each a revision of the service's task definition.

mod calls;
mod definition;
mod known;
mod look;
mod observe;
mod place;
mod raw;
mod revise;
mod revision;
mod seen;
mod stopped;
mod target;
mod way_back;

pub use place::EcsPlace;
pub use target::EcsService;
