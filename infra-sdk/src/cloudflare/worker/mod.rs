//! Releases of a Worker: each a version of its script, uploaded by wrangler and given the requests by a deployment.

mod calls;
mod code;
mod containers;
mod jsonc;
mod known;
mod note;
mod output;
mod parked;
mod place;
mod prepare;
mod probe;
mod program;
mod record;
mod settings;
mod target;
mod upload;
mod uses;
mod work;

pub use place::WorkerPlace;
pub use target::WorkerTarget;
pub use uses::WorkerUses;
