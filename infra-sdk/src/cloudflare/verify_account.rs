//! The accounts a token can see.

use serde::{Deserialize, Serialize};

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::permissions::Permission;
use crate::env::CLOUDFLARE_ACCOUNT_ID;
use crate::error::{Error, Result};
use crate::http::Method;

/// An account at Cloudflare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// The most accounts that a page has, and how many pages are read
/// (<https://developers.cloudflare.com/api/resources/accounts/methods/list/>).
const PER_PAGE: usize = 50;
const PAGES: usize = 10;

/// The most accounts that a message names.
const NAMED: usize = 10;

/// Accounts as a message names them.
pub(super) fn listed(accounts: &[Account]) -> String {
    let one = |account: &Account| format!("{} ({})", account.name.escape_debug(), account.id);
    let mut all: Vec<String> = accounts.iter().take(NAMED).map(one).collect();
    if accounts.len() > NAMED {
        all.push(format!("and {} more", accounts.len() - NAMED));
    }
    all.join(", ")
}

/// Where a list goes on.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    result_info: Option<PageInfo>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageInfo {
    total_pages: Option<usize>,
}

impl Cloudflare {
    /// All accounts that the token can see, up to 500.
    ///
    /// # Errors
    /// `Denied`, `Unavailable` or `TimedOut`; `Invalid` when there are more.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let mut call = self.call(Method::Get, &["accounts"])?.query("per_page", PER_PAGE);
            if page > 1 {
                call = call.query("page", page);
            }
            let (listed, answer) = self.permitted::<Vec<Account>>(call, Permission::ACCOUNT).await?;
            let info = answer.json::<Page>()?.result_info.unwrap_or_default();
            let full = listed.len() >= PER_PAGE;
            let ends = listed.is_empty() || info.total_pages.map_or(!full, |total| page >= total);
            all.extend(listed);
            if ends {
                return Ok(all);
            }
        }
        // Who concludes from a part of them that one is missing is wrong.
        Err(Error::invalid("the token sees more accounts than are read")
            .with("read", all.len())
            .hint(format!("set {CLOUDFLARE_ACCOUNT_ID} to the one that is meant")))
    }

    /// The account `id`, if the token can see it.
    ///
    /// # Errors
    /// `NotFound` for one that is not there; `Denied` for one that the token may not see; `Invalid` for what cannot be one.
    pub async fn account_named(&self, id: &str) -> Result<Account> {
        let call = self.call(Method::Get, &["accounts", self.account(Some(id))?])?;
        Ok(self.permitted(call, Permission::ACCOUNT).await?.0)
    }

    /// The account that is meant where none is named: that of the environment, or the only one that the token can see.
    ///
    /// # Errors
    /// `Invalid` naming the accounts when there are several; `NotFound` when there is none.
    pub async fn only_account(&self) -> Result<Account> {
        if let Some(id) = self.own_account() {
            return self.account_named(id).await;
        }
        let mut accounts = self.accounts().await?;
        match accounts.len() {
            1 => Ok(accounts.remove(0)),
            0 => Err(Error::not_found("the token sees no account of Cloudflare")
                .hint(format!("set {CLOUDFLARE_ACCOUNT_ID}, or give the token `{}`", Permission::ACCOUNT))),
            _ => Err(Error::invalid("the token sees several accounts, and none is named")
                .with("accounts", listed(&accounts))
                .hint(format!("set {CLOUDFLARE_ACCOUNT_ID} to the one that is meant"))),
        }
    }
}
