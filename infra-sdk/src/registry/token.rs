//! Tokens that a registry takes for a while, from the place it names.

use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::http::path::encode;
use crate::registry::auth::{Scope, basic};
use crate::registry::credentials::Login;
use crate::secret::SecretValue;

/// How long fetching one may take.
const WHOLE: Duration = Duration::from_secs(30);
/// A token whose life nobody states is good for
/// [this long](https://distribution.github.io/distribution/spec/auth/token/#token-response-fields).
const LIFE: Duration = Duration::from_secs(60);
/// It is given up this much before its end, or after three quarters of its life: what is begun with it must be heard.
const MARGIN: Duration = Duration::from_secs(10);
/// However long its life is said to be, it is not used for longer: the number is what a stranger states.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// A token and how long it is used.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) value: SecretValue,
    until: Instant,
}

impl Token {
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

/// One request for a token.
pub(super) struct Ask<'a> {
    pub(super) registry: &'a str,
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    pub(super) scope: &'a Scope,
    /// What to do next when it is refused.
    pub(super) advice: &'static [&'static str],
}

#[derive(Deserialize)]
struct Answer {
    token: Option<SecretValue>,
    access_token: Option<SecretValue>,
    expires_in: Option<u64>,
}

impl Ask<'_> {
    /// Asks as `login`, or as nobody in particular.
    pub(super) async fn fetch(&self, client: &reqwest::Client, login: Option<&Login>) -> Result<Token> {
        let mut fields = String::new();
        let mut field = |name: &str, value: &str| {
            if !fields.is_empty() {
                fields.push('&');
            }
            encode(name, &mut fields);
            fields.push('=');
            encode(value, &mut fields);
        };
        if let Some(service) = &self.service {
            field("service", service);
        }
        let request = match login {
            // https://distribution.github.io/distribution/spec/auth/oauth/
            Some(login) if login.is_identity_token() => {
                field("scope", &self.scope.0.join(" "));
                field("grant_type", "refresh_token");
                field("client_id", "infra-sdk");
                field("refresh_token", login.password.expose());
                let kind = "application/x-www-form-urlencoded";
                client.post(self.realm.clone()).header("content-type", kind).body(fields)
            }
            _ => {
                self.scope.0.iter().for_each(|scope| field("scope", scope));
                let mut url = self.realm.clone();
                let query = url.query().filter(|query| !query.is_empty());
                let query = query.map_or(fields.clone(), |query| format!("{query}&{fields}"));
                url.set_query(Some(&query));
                let request = client.get(url);
                match login {
                    Some(login) => request.header(AUTHORIZATION, format!("Basic {}", basic(login))),
                    None => request,
                }
            }
        };
        let began = Instant::now();
        let mut response = request.timeout(WHOLE).send().await.map_err(|error| self.broken(error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST {
                break;
            }
        }
        if status != 200 {
            return Err(self.refused(status));
        }
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        let used = used(answer.as_ref().and_then(|answer| answer.expires_in));
        let value = answer.and_then(|answer| answer.token.or(answer.access_token));
        match value.filter(|value| !value.is_empty()) {
            Some(value) => {
                let until = began.checked_add(used).unwrap_or(began);
                Ok(Token { value, until })
            }
            None => Err(self
                .error(ErrorKind::Unavailable, "gave an answer without a token")
                .hint("check the address of the registry, and what stands before it")),
        }
    }

    fn refused(&self, status: u16) -> Error {
        match status {
            400 | 401 | 403 => {
                let error = self.error(ErrorKind::Denied, "refuses a token").with("status", status);
                self.advice.iter().fold(error, |error, advice| error.hint(*advice))
            }
            429 | 500..=599 => self
                .error(ErrorKind::Unavailable, "cannot give a token now")
                .with("status", status)
                .hint("try again")
                .retryable(),
            _ => self
                .error(ErrorKind::Unavailable, "gave no token")
                .with("status", status)
                .hint("check the address of the registry"),
        }
    }

    fn broken(&self, error: reqwest::Error) -> Error {
        let kind = if error.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Unavailable };
        self.error(kind, "does not answer")
            .because(error.without_url())
            .hint("check the network and the proxy, and try again")
            .retryable()
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let host = self.realm.host_str().unwrap_or_default();
        Error::new(kind, format!("the place of tokens for registry {} {what}", self.registry))
            .with("host", host)
    }
}

/// How long a token is used that is said to expire in so many seconds.
fn used(expires_in: Option<u64>) -> Duration {
    let life = expires_in.map_or(LIFE, Duration::from_secs).min(LONGEST_LIFE);
    life.saturating_sub(MARGIN).max(life * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end_and_never_for_longer_than_a_day() {
        let seconds = |expires_in| used(expires_in).as_secs();
        assert_eq!((seconds(None), seconds(Some(300)), seconds(Some(20))), (50, 290, 15));
        assert_eq!((seconds(Some(0)), seconds(Some(86_400))), (0, 86_390));
        assert_eq!(seconds(Some(u64::MAX)), 86_390);
    }
}
