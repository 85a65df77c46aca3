//! References between repos: a tree of parameters that one repo publishes and others read, as types.

mod check;
mod compound;
mod flatten;
mod list;
mod nearest;
mod outputs;
mod parameter;
mod port;
mod publish;
mod read;
mod serialize;
mod variables;

pub use check::{Check, Found, Missing, check};
pub use list::{Listed, Listing, list};
pub use outputs::{Output, publish_outputs_plan};
pub use parameter::{Parameter, ParameterValue, ParameterWrite};
pub use port::ParameterStore;
pub use publish::{PublishPlan, Published, publish, publish_plan};
pub use read::read;
pub use variables::{Variables, by_variable, variables};
