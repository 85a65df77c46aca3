//! Whether Cloudflare accepts a token, whose it is, and how long it lasts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::permissions::Permission;
use crate::env::CLOUDFLARE_ACCOUNT_ID;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Method;
use crate::time::{Timestamp, human};

/// What Cloudflare says of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenStatus {
    /// Its id, which is also the id of its keys for R2.
    pub id: String,
    /// Whose it is.
    pub owner: TokenOwner,
    /// The account that owns it; `None` for a person's.
    pub account: Option<String>,
    /// Whether it is in use.
    pub standing: Standing,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// When it begins, if that was set.
    pub not_before: Option<Timestamp>,
}

/// Who owns a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenOwner {
    /// A person: it ends with the person's membership.
    User,
    /// An account.
    Account,
}

/// Whether a token is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is.
    Active,
    /// Somebody switched it off.
    Disabled,
    /// Its time is over.
    Expired,
}

#[derive(Deserialize)]
struct Verified {
    id: String,
    status: Standing,
    #[serde(default)]
    expires_on: Option<Timestamp>,
    #[serde(default)]
    not_before: Option<Timestamp>,
}

impl Cloudflare {
    /// Asks whether the token is accepted: as a user's, and as one of `account`, else of the account that
    /// `CLOUDFLARE_ACCOUNT_ID` names. What its
    /// [form](https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/) says it is is asked first.
    ///
    /// # Errors
    /// `Denied` for a token that is nobody's; `Invalid` for a key that is no token, and for an account that cannot be one;
    /// `Unavailable` or `TimedOut`.
    pub async fn verify_token(&self, account: Option<&str>) -> Result<TokenStatus> {
        let accounts: Vec<&str> = account.or(self.own_account()).into_iter().collect();
        self.verify_token_of(&accounts).await
    }

    /// As [`verify_token`](Cloudflare::verify_token), for a token that may be any of these accounts': nobody but its own
    /// account knows it.
    pub(super) async fn verify_token_of(&self, accounts: &[&str]) -> Result<TokenStatus> {
        if self.credentials().0.expose().starts_with("cfk_") {
            return Err(Error::invalid("CLOUDFLARE_API_TOKEN has a Global API Key, which may do everything")
                .hint("make an API token with the permissions that are needed, and set it instead"));
        }
        let mut ways = vec![None];
        for account in accounts {
            ways.push(Some(self.account(Some(account))?));
        }
        if self.credentials().0.expose().starts_with("cfat_") {
            ways.rotate_left(1);
        }
        let mut refused = None;
        for account in ways {
            match self.verify_as(account).await {
                // Each of them knows its own tokens only.
                Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => {
                    refused.get_or_insert(error);
                }
                ended => return ended,
            }
        }
        let error = refused.unwrap_or_else(|| Error::new(ErrorKind::Bug, "no way to ask about a token"));
        Err(if accounts.is_empty() {
            error.hint(format!("if an account owns the token, set {CLOUDFLARE_ACCOUNT_ID} to it"))
        } else {
            error.with("account", accounts.join(", "))
        })
    }

    /// Asks as a person's token, or as one of an account.
    async fn verify_as(&self, account: Option<&str>) -> Result<TokenStatus> {
        let (path, needed) = match account {
            None => (vec!["user", "tokens", "verify"], Permission::USER_TOKENS),
            Some(account) => (vec!["accounts", account, "tokens", "verify"], Permission::ACCOUNT_TOKENS),
        };
        let call = self.call(Method::Get, &path)?;
        let (verified, answer) = self.permitted::<Verified>(call, needed).await.map_err(not_accepted)?;
        if !(1..=64).contains(&verified.id.len()) || !verified.id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(answer
                .error(ErrorKind::Invalid, "gave a token an id that cannot be one")
                .hint("check CLOUDFLARE_API_BASE_URL; if it is right, use a newer infra-sdk"));
        }
        let Verified { id, status, expires_on, not_before } = verified;
        let owner = if account.is_some() { TokenOwner::Account } else { TokenOwner::User };
        let account = account.map(str::to_owned);
        Ok(TokenStatus { id, owner, account, standing: status, expires: expires_on, not_before })
    }
}

/// Asking about oneself needs no permission: whoever may not is not known there.
fn not_accepted(error: Error) -> Error {
    if error.kind() != ErrorKind::Denied {
        return error;
    }
    let told = Error::new(ErrorKind::Denied, "Cloudflare does not accept this token");
    let facts = error.context().filter(|(key, _)| *key != "permission");
    facts.fold(told, |told, (key, value)| told.with(key, value)).hint(
        "set CLOUDFLARE_API_TOKEN to a token that is there, as one line, neither expired nor revoked, and that may be \
         used from here",
    )
}

impl TokenStatus {
    /// Why a run that begins `now` and takes `planned` cannot be made with it, in words; `None` if it can.
    pub fn trouble(&self, now: Timestamp, planned: Duration) -> Option<String> {
        let end = now.plus(planned);
        match (self.standing, self.expires, self.not_before) {
            (Standing::Disabled, ..) => Some("the token is disabled".into()),
            (_, Some(expires), _) if expires <= now => Some(format!("the token expired at {expires}")),
            (Standing::Expired, ..) => Some("the token is expired".into()),
            (_, _, Some(begins)) if begins > now => Some(format!("the token is not valid before {begins}")),
            (_, Some(expires), _) if expires < end => Some(format!(
                "the token ends in {}, before a run of {} does",
                human(now.until(expires)),
                human(planned)
            )),
            _ => None,
        }
    }
}

impl fmt::Display for TokenOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TokenOwner::User => "user",
            TokenOwner::Account => "account",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_a_run_that_ends_before_it_does() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-20T10:00:00Z");
        let good = TokenStatus {
            id: "ed17574386854bf78a67040be0a770b0".into(),
            owner: TokenOwner::User,
            account: None,
            standing: Standing::Active,
            expires: Some(at("2026-11-20T10:30:00Z")),
            not_before: Some(at("2026-11-20T10:00:00Z")),
        };
        let half_an_hour = Duration::from_secs(1800);
        assert_eq!(good.trouble(now, half_an_hour), None);
        let trouble = |status: &TokenStatus, says: &str| {
            let told = status.trouble(now, half_an_hour).unwrap();
            assert!(told.contains(says), "{told}");
        };
        trouble(&TokenStatus { standing: Standing::Disabled, ..good.clone() }, "disabled");
        trouble(&TokenStatus { standing: Standing::Expired, expires: None, ..good.clone() }, "is expired");
        trouble(&TokenStatus { expires: Some(now), ..good.clone() }, "expired at 2026-11-20T10:00:00");
        trouble(
            &TokenStatus { not_before: Some(at("2026-11-21T10:00:00Z")), ..good.clone() },
            "not valid before",
        );
        trouble(
            &TokenStatus { expires: Some(at("2026-11-20T10:29:00Z")), ..good.clone() },
            "ends in 29 min 0 s, before a run of 30 min 0 s does",
        );
        assert_eq!(TokenStatus { expires: None, not_before: None, ..good }.trouble(now, half_an_hour), None);
    }
}
