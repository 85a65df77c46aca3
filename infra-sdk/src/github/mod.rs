//! GitHub: the secrets that its workflows get, of a repository, of one of its environments, of an organisation.
//!
//! ```no_run
//! # async fn example() -> infra_sdk::Result<()> {
//! use infra_sdk::{Env, github::Github, secrets::SecretStore};
//! let github = Github::new(&Env::of_process()?)?;
//! let store = github.repository_secrets("acme/shop-api")?;
//! for secret in store.list().await? {
//!     println!("{}", secret.name);
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod list;
mod organisation;
mod place;
mod rules;
mod seal;
mod secrets;

pub use client::Github;
pub use secrets::GithubSecrets;
