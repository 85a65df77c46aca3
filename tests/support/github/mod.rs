//! GitHub's secrets in memory: as much of its API as the stores use, with every way it can fail.

mod answers;
mod fake;
mod trouble;

pub use fake::{FakeGithub, Seen};
pub use trouble::{Fault, On, Trouble};
