//! Texts that mean the same although they are written differently: JSON documents and IAM policies.

mod policy;
mod text;

pub(in crate::plan) use policy::{account, action, as_list, is_policy, principal, scalar};
pub use text::{canonical_text, same};
pub(in crate::plan) use text::{canonical_value, document};
