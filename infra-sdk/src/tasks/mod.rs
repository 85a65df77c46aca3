//! The `infra:*` tasks: thin, one file a namespace; they print what the flows return.

mod config;
mod context;
mod deploy;
mod dev;
mod entry;
mod handles;
mod ledger;
mod policy;
mod refs;
mod secrets;
mod services;
mod stacks;
mod tools;

pub use config::ConfigTasks;
pub use deploy::DeployTasks;
pub use dev::DevTasks;
pub use entry::{check, main, run};
pub use handles::InfraTasks;
pub use ledger::LedgerTasks;
pub use policy::PolicyTasks;
pub use refs::RefsTasks;
pub use secrets::SecretsTasks;
pub use tools::ToolsTasks;
