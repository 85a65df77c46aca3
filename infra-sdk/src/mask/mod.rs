//! Masking: no value that was given out as a secret is shown again, in whatever form a program prints it.

mod masks;
mod patterns;
mod set;
mod stream;

pub use masks::Masks;
pub(crate) use patterns::{Spelling, patterns, spellings};
pub(crate) use set::SecretSet;
pub use stream::MaskStream;
