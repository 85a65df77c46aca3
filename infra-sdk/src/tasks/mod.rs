//! The `infra:*` tasks: thin, one file a namespace; they print what the flows return.

mod config;
mod context;
mod costs;
mod deploy;
mod dev;
mod entry;
mod handles;
mod ledger;
mod refs;
mod secrets;
mod services;
mod stacks;
mod tools;

pub use config::ConfigTasks;
pub use costs::CostsTasks;
pub use deploy::DeployTasks;
pub use dev::DevTasks;
pub use entry::{check, main, run};
pub use handles::InfraTasks;
pub use ledger::LedgerTasks;
pub use refs::RefsTasks;
pub use secrets::SecretsTasks;
pub use tools::ToolsTasks;
