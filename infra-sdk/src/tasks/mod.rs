//! The `infra:*` tasks: thin, one file a namespace; they print what the flows return.

mod config;
mod context;
mod costs;
mod deploy;
mod dev;
mod drift;
mod ecr;
mod entry;
mod handles;
mod health;
mod images;
mod ledger;
mod plans;
mod policy;
mod refs;
mod secrets;
mod services;
mod state;
mod tools;

pub use config::ConfigTasks;
pub use costs::CostsTasks;
pub use deploy::DeployTasks;
pub use dev::DevTasks;
pub use drift::DriftTasks;
pub use ecr::EcrTasks;
pub use entry::{check, main, run};
pub use handles::InfraTasks;
pub use images::ImageTasks;
pub use ledger::LedgerTasks;
pub use plans::PlanTasks;
pub use policy::PolicyTasks;
pub use refs::RefsTasks;
pub use secrets::SecretsTasks;
pub use state::StateTasks;
pub use tools::ToolsTasks;
