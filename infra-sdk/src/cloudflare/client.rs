//! Cloudflare's API: where it is, who asks, and for which account.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cloudflare::account::check_account;
use crate::cloudflare::answers::{Envelope, explained};
use crate::cloudflare::limit::Budget;
use crate::env::{CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_BASE_URL, CLOUDFLARE_API_TOKEN, Env};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Api, Auth, Call, Method, Path};
use crate::mask::Masks;
use crate::secret::SecretValue;

const BASE_URL: &str = "https://api.cloudflare.com/client/v4";

/// How long to wait before a request that only reads is made once more.
const BLIP: Duration = Duration::from_millis(300);

/// Cloudflare, as one token sees it. Clones share their connections.
///
/// All clients of a process that have the same token keep to its limit together: who asks too often gets an error that says
/// [how long to wait](Error::throttle), and no request is made.
#[derive(Clone, Debug)]
pub struct Cloudflare {
    api: Api,
    /// The token, should an answer repeat it.
    masks: Masks,
    account: Option<String>,
    /// For programs of Cloudflare, which ask by themselves.
    token: SecretValue,
    base: Option<String>,
    /// The longest wait after which a request that only reads is made once more.
    reads_again: Option<Duration>,
}

impl Cloudflare {
    /// With the token in `CLOUDFLARE_API_TOKEN`, at `CLOUDFLARE_API_BASE_URL` if it is set; no request is made.
    ///
    /// # Errors
    /// `Denied` without a token; `Invalid` for an address that is neither encrypted nor on this machine.
    pub fn new(env: &Env) -> Result<Self> {
        let token = env.get(CLOUDFLARE_API_TOKEN).ok_or_else(|| {
            Error::new(ErrorKind::Denied, "there is no token for Cloudflare").hint(
                "set CLOUDFLARE_API_TOKEN to an API token with the permissions that are needed, such as \
                 `Workers Scripts: Edit` (dashboard, Manage account, API tokens)",
            )
        })?;
        let base = env.get(CLOUDFLARE_API_BASE_URL).map(str::to_owned);
        let (token, masks) = (SecretValue::new(token), Masks::new());
        masks.add(&token);
        let address = base.as_deref().unwrap_or(BASE_URL);
        let api = Api::new("Cloudflare", address, Auth::Bearer(token.clone()), &[])?;
        let account = env.get(CLOUDFLARE_ACCOUNT_ID).map(str::to_owned);
        Ok(Cloudflare { api, masks, account, token, base, reads_again: None })
    }

    /// The token, and the address of the API where it is another one than usual: for a program that asks by itself.
    pub(super) fn credentials(&self) -> (&SecretValue, Option<&str>) {
        (&self.token, self.base.as_deref())
    }

    /// The account that is named, or the one of the environment.
    pub(super) fn account<'a>(&'a self, named: Option<&'a str>) -> Result<&'a str> {
        let account = named.or(self.account.as_deref()).ok_or_else(|| {
            Error::invalid("no Cloudflare account is named").hint(
                "set CLOUDFLARE_ACCOUNT_ID, or in infra.toml `account` under `[deploy]`, or of the store",
            )
        })?;
        check_account(account)?;
        Ok(account)
    }

    /// What is at `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T> {
        let call = self.api.call(Method::Get, &Path::of(path)?);
        self.result(call, &Masks::new()).await
    }

    /// What is at `path`, asked for with a query.
    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        (name, value): (&str, &str),
    ) -> Result<T> {
        let call = self.api.call(Method::Get, &Path::of(path)?).query(name, value);
        self.result(call, &Masks::new()).await
    }

    /// Makes one more of what is at `path`.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T> {
        let call = self.api.call(Method::Post, &Path::of(path)?);
        let call = query.iter().fold(call, |call, (name, value)| call.query(name, value));
        self.result(call.json(body), &Masks::new()).await
    }

    /// Changes what is at `path` by a JSON merge patch (RFC 7396); `masks` has the values that stand in it.
    pub(super) async fn patch<T: Serialize>(&self, path: &[&str], patch: &T, masks: &Masks) -> Result<()> {
        let call = self.api.call(Method::Patch, &Path::of(path)?);
        let call = call.json_as("application/merge-patch+json", patch).masking(masks);
        self.result::<serde::de::IgnoredAny>(call, masks).await.map(drop)
    }

    /// Makes the request and unwraps its answer.
    async fn result<T: DeserializeOwned>(&self, call: Call<'_>, masks: &Masks) -> Result<T> {
        let answer = self.answer(call).await.map_err(explained)?;
        let masked = |text: &str| masks.apply(&self.masks.apply(text)).into_owned();
        answer.json::<Envelope<T>>()?.opened(&answer, masked)
    }

    /// Makes the request, if it is its turn; one that only reads once more where that is [wanted](Self::reading_again).
    pub(super) async fn answer(&self, call: Call<'_>) -> Result<Answer> {
        let again = self.reads_again.and_then(|longest| Some((longest, call.once_more()?)));
        let error = match (self.answer_once(call).await, again) {
            // One that took all of its time has had it.
            (Err(error), Some((longest, again)))
                if error.is_retryable() && error.kind() != ErrorKind::TimedOut =>
            {
                let asked = error.throttle().map(|throttle| throttle.after);
                match asked {
                    // How long is not said.
                    Some(None) => error,
                    Some(Some(wait)) if wait > longest => error,
                    wait => {
                        tokio::time::sleep(wait.flatten().unwrap_or(BLIP)).await;
                        return self.answer_once(again).await;
                    }
                }
            }
            (answer, _) => return answer,
        };
        Err(error)
    }

    async fn answer_once(&self, call: Call<'_>) -> Result<Answer> {
        let budget = self.budget();
        budget.turn().await?;
        call.send_heard(|answer| budget.heard(answer)).await.map_err(|error| budget.refused(error))
    }

    /// Lets all who have this token keep back as a refusal asks that a program of Cloudflare met, which asks by itself; gives
    /// it back with the wait.
    pub(super) fn refused(&self, error: Error) -> Error {
        self.budget().refused(error)
    }

    fn budget(&self) -> Arc<Budget> {
        Budget::of(&self.authority(), &self.token)
    }

    /// A request, not yet made.
    pub(super) fn call(&self, method: Method, path: &[&str]) -> Result<Call<'_>> {
        Ok(self.api.call(method, &Path::of(path)?))
    }

    /// Gives each request this long in all, instead of a minute.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.api = self.api.timeout(limit);
        self
    }

    /// Makes a request that only reads once more where the first was not answered: after a moment, or the wait that Cloudflare
    /// asks for, if that is not longer than this.
    #[must_use]
    pub(super) fn reading_again(mut self, longest: Duration) -> Self {
        self.reads_again = Some(longest);
        self
    }

    /// The account of the environment, if it names one.
    pub(super) fn own_account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Host, and the port where it is not the usual one.
    pub(super) fn authority(&self) -> String {
        self.api.authority()
    }

    /// The text without the token.
    pub(super) fn masked(&self, text: &str) -> String {
        self.masks.apply(text).into_owned()
    }
}
