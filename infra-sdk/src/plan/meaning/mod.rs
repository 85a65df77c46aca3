//! Texts that mean the same although they are written differently: JSON documents and IAM policies.

mod policy;
mod text;

pub use text::{canonical_text, same};
