//! What a plan does, in numbers and names: addresses and reasons, never values.

mod counts;
mod cover;
mod row;
#[expect(clippy::module_inception, reason = "the file is named after its type, `Summary`")]
mod summary;
mod tally;

pub use counts::Counts;
pub use row::Row;
pub use summary::{CheckRow, OutputRow, Summary};
