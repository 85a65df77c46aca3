//! The vault: values in the repo, encrypted with age, one a line.
//!
//! Names are in clear, values are encrypted for the public keys that `[vault]` of `infra.toml` lists. Writing and listing
//! need no private key; reading does. Whoever may commit can also write: what a value is, git's history answers for.
//!
//! ```no_run
//! # async fn example(env: &infra_sdk::Env, settings: infra_sdk::config::Settings) -> infra_sdk::Result<()> {
//! use infra_sdk::secrets::SecretSource;
//! use infra_sdk::vault::{Binding, KeyPlace, Vault};
//! let org: infra_sdk::names::OrgName = "acme".parse()?;
//! let key = KeyPlace::new(env, settings.vault.key, &org);
//! let binding = Binding { org, project: "shop".parse()?, env: "staging".parse()? };
//! let vault = Vault::open("infra/secrets/staging.vault", &settings.vault.recipients, key, binding)?;
//! let values = vault.get_all().await?;
//! # Ok(())
//! # }
//! ```

mod copy;
mod entry;
mod folder;
mod generate;
mod identity;
mod keeper;
mod key;
mod keychain;
mod lines;
mod recipients;
mod rekey;
mod source;
mod store;

pub use copy::VaultCopy;
pub use entry::Binding;
pub use generate::{KeyPlan, KeyReport, plan_key};
pub use identity::Identities;
pub use key::KeyPlace;
pub use recipients::Recipients;
pub use rekey::{RekeyPlan, RekeyReport};
pub use store::Vault;
