//! Where a bucket of R2 lies.

use serde::{Deserialize, Serialize};

/// Where the objects of an R2 bucket are guaranteed to stay
/// (<https://developers.cloudflare.com/r2/reference/data-location/#jurisdictional-restrictions>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jurisdiction {
    /// The European Union.
    Eu,
    /// Data centres that FedRAMP allows.
    Fedramp,
}

impl Jurisdiction {
    /// Every jurisdiction.
    pub const ALL: [Jurisdiction; 2] = [Jurisdiction::Eu, Jurisdiction::Fedramp];

    /// The jurisdiction as `infra.toml`, the API and addresses write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Jurisdiction::Eu => "eu",
            Jurisdiction::Fedramp => "fedramp",
        }
    }
}

/// Near where an R2 bucket is made
/// (<https://developers.cloudflare.com/r2/reference/data-location/#available-hints>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// Western North America.
    Wnam,
    /// Eastern North America.
    Enam,
    /// Western Europe.
    Weur,
    /// Eastern Europe.
    Eeur,
    /// Asia and the Pacific.
    Apac,
    /// Oceania.
    Oc,
}

impl Location {
    /// The location as `infra.toml` and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Location::Wnam => "wnam",
            Location::Enam => "enam",
            Location::Weur => "weur",
            Location::Eeur => "eeur",
            Location::Apac => "apac",
            Location::Oc => "oc",
        }
    }
}
