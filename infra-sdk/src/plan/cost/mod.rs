//! What a plan costs a month, from a price table on this machine: exact, dated, and never guessed.

mod estimate;
mod gap;
mod price;
mod read;
mod region;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod unit;
mod usage;

pub use estimate::estimate;
pub use gap::{Gap, Gaps};
pub use report::{CostReport, ResourceCost, TypeCost};
pub use table::PriceTable;
pub use unit::Unit;
pub use usage::Usage;
