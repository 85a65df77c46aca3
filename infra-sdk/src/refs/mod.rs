//! References between repos: a tree of parameters that one repo publishes and others read, as types.

mod check;
mod compound;
mod contract;
mod contract_text;
mod expect;
mod field_type;
mod flatten;
mod hcl;
mod list;
mod lookup;
mod mismatch;
mod nearest;
mod outputs;
mod parameter;
mod port;
mod publish;
mod publish_apply;
mod read;
mod remains;
mod serialize;
mod variables;

pub use check::{Check, Found, Missing, check};
pub use contract::{Contract, Publisher};
pub use expect::{Expectation, check_contract};
pub use field_type::FieldType;
pub use hcl::{Hcl, hcl};
pub use list::{Listed, Listing, list};
pub use mismatch::{ContractCheck, Mismatch, MismatchKind};
pub use outputs::{Output, publish_outputs_plan};
pub use parameter::{Kind, Over, Parameter, ParameterValue, ParameterWrite};
pub use port::ParameterStore;
pub use publish::{PublishPlan, publish, publish_plan};
pub use publish_apply::Published;
pub use read::read;
pub use variables::{Variables, by_variable, variables};
