//! `infra.toml`: layers of settings, each value with its origin.

mod check;
mod check_secrets;
mod choose;
mod costs;
mod decimal;
mod document;
mod extends;
mod find;
mod layers;
mod load;
mod lock;
mod pin;
mod policy;
mod remote;
mod schema;
mod show;
mod stores;
mod values;
mod variables;

pub(crate) use check_secrets::PREVIOUS;
pub(crate) use costs::is_currency;
pub use costs::{Costs, TableFile};
pub use decimal::Decimal;
pub(crate) use document::parse as parse_toml;
pub use extends::Extends;
pub use load::{Config, Flags};
pub use lock::{Lock, LockedExtends};
pub use pin::Pin;
pub(crate) use policy::levels_in;
pub use policy::{Policy, RuleLevel};
pub use schema::{
    Deploy, Environment, Export, Image, Kind, Project, Provider, Settings, Stack, State, StateKind, Target,
    Tool,
};
pub use show::{Shown, ShownValue};
pub use stores::{SecretForm, SecretSpec, Shared, Store, StoreKind, Vault, VaultKey, Visibility};
pub use values::{Generate, Span};
