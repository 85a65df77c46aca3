//! What `infra.toml` may say about NATS.

use serde::{Deserialize, Serialize};

/// `nats = { … }` of an environment: the server that repos talk over. `{}` takes everything from the variables and the
/// selected context that the `nats` command line uses, too.
///
/// A file is a path (`~` and `$VAR` are filled in, a relative one is the repo's own) or `env:NAME`, a variable that holds
/// what the file would. What stands here comes before the context, and a variable such as `NATS_URL` before both.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Nats {
    /// The servers, as `nats://host:4222` or `tls://host:4222`, separated by commas; without user and password.
    #[serde(default)]
    pub url: Option<String>,
    /// A context of the `nats` command line; default, without `url`: the one that is selected there.
    #[serde(default)]
    pub context: Option<String>,
    /// The credentials file of a user.
    #[serde(default)]
    pub creds: Option<String>,
    /// The file of an nkey's seed.
    #[serde(default)]
    pub nkey: Option<String>,
    /// The certificates that the server's is checked against; default: the system's.
    #[serde(default)]
    pub ca: Option<String>,
    /// The client's certificate.
    #[serde(default)]
    pub cert: Option<String>,
    /// The private key of `cert`.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether TLS begins before the server says anything.
    #[serde(default)]
    pub tls_first: bool,
    /// What subjects of answers begin with, for credentials that may not use `_INBOX`.
    #[serde(default)]
    pub inbox_prefix: Option<String>,
    /// The JetStream domain, behind a leaf node.
    #[serde(default)]
    pub domain: Option<String>,
    /// How many servers keep each message; default: 3 in a cluster, else 1.
    #[serde(default)]
    pub replicas: Option<u8>,
    /// Whether the ledger is kept there, too; default: with the state.
    #[serde(default)]
    pub ledger: bool,
}
