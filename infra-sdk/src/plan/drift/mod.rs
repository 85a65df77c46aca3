//! Drift: what was changed outside of Terraform, sorted into what matters and what does not, with an answer for each.

mod answer;
mod group;
mod noise;
mod triage;

pub use answer::{Answer, Answers, Decision};
pub use group::{DriftGroup, Kind, Noise};
pub use triage::{Drift, triage};
