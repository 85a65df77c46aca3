//! Plans of any size for benches and fuzzing, made by running numbers: the same recipe gives the same bytes.
//!
//! They look like what `terraform show -json` writes: all top-level keys of format 1.2 in its order, every instance in
//! `resource_changes`, `planned_values` and `prior_state`, `for_each` keys in addresses, marks as Terraform shapes them,
//! and `<`, `>`, `&` escaped as Go does.

mod marks;
mod recipe;
mod resource;
mod tokens;
mod write;

pub use recipe::{Recipe, Shape, Variant};
pub use tokens::CANARY;
