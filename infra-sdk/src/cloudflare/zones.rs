//! The zones a token can see.

use serde::{Deserialize, Serialize};

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::permissions::Permission;
use crate::error::Result;
use crate::http::Method;

/// A zone: a domain that Cloudflare answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its id.
    pub id: String,
    /// Its name: `example.com`.
    pub name: String,
    /// `active` when Cloudflare answers for it; `pending` while its name servers are others; `moved` when they are no more.
    pub status: String,
    /// Whether Cloudflare lets its traffic pass unchanged.
    #[serde(default)]
    pub paused: bool,
}

impl Cloudflare {
    /// The zone of this name, if the token can see it; in `account`, if one is named.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `TimedOut`; `Invalid` for an account that cannot be one.
    pub async fn zone(&self, name: &str, account: Option<&str>) -> Result<Option<Zone>> {
        let mut call = self.call(Method::Get, &["zones"])?.query("name", name);
        if let Some(account) = account {
            call = call.query("account.id", self.account(Some(account))?);
        }
        let (zones, _) = self.permitted::<Vec<Zone>>(call, Permission::ZONE).await?;
        Ok(zones.into_iter().find(|zone| zone.name == name))
    }
}
