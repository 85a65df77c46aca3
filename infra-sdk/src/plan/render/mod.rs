//! Showing plans: on a terminal, in a comment, as JSON and SARIF, each without secrets and safe from what stands in it.

mod attribute;
mod block;
mod changes;
mod document;
mod entry;
mod escape;
mod group;
mod json;
mod json_value;
mod markdown;
mod page;
mod pieces;
mod reason;
mod sarif;
mod section;
mod style;
mod terminal;
mod text;
mod view;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;

pub use json::SCHEMA;
pub use markdown::COMMENT_LIMIT;
pub use page::{Note, Page, Stack};
pub use style::Style;
