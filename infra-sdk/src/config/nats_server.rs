//! What `infra.toml` may say about a NATS server that the organisation runs itself.

use serde::{Deserialize, Serialize};

use crate::config::values;
use crate::names::Label;

/// `[nats-server]`: the server that `infra:nats:deploy` makes files for. None of its keys holds a secret: JWTs of operators
/// and accounts are public statements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NatsServer {
    /// Its name, also in DNS; default `ORG-nats-ENV`.
    #[serde(default)]
    pub name: Option<Label>,
    /// The image, with an exact version or a digest; default: `nats:VERSION-alpine` of the version in
    /// `[tools.nats-server]`.
    #[serde(default)]
    pub image: Option<String>,
    /// How much its streams may take.
    #[serde(default = "store")]
    pub store: String,
    /// The file of the operator's JWT, which says who runs it.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub operator: Option<String>,
    /// The file with the JWT of the account that the server itself reports in.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub system_account: Option<String>,
    /// The files with the JWTs of the accounts that repos are users of.
    #[serde(default, deserialize_with = "values::all_inside_repo")]
    pub accounts: Vec<String>,
}

impl Default for NatsServer {
    fn default() -> Self {
        NatsServer {
            name: None,
            image: None,
            store: store(),
            operator: None,
            system_account: None,
            accounts: Vec::new(),
        }
    }
}

fn store() -> String {
    "10GB".into()
}
