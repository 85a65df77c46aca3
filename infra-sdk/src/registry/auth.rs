//! How a registry wants to know who asks, and what each request says about it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use crate::error::{Error, ErrorKind, Result};
use crate::mask::Masks;
use crate::registry::credentials::{Credentials, Login};
use crate::registry::place::Place;
use crate::registry::token::{self, Token};
use crate::secret::SecretValue;

/// What one registry wants, who asks, and the tokens that are good for a while.
pub(super) struct Auth {
    registry: String,
    client: reqwest::Client,
    credentials: Arc<dyn Credentials>,
    scheme: Mutex<Scheme>,
    tokens: Mutex<BTreeMap<Scope, Token>>,
    asking: tokio::sync::Mutex<()>,
    /// What the registry must not repeat in messages.
    pub(super) masks: Masks,
}

/// What a token is for, as registries name it: `repository:NAME:pull,push`, one for each repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope(pub(super) Vec<String>);

impl Scope {
    /// Reading one repository.
    pub(super) fn pull(repository: &str) -> Self {
        Scope(vec![format!("repository:{repository}:pull")])
    }

    /// Reading and writing one repository.
    pub(super) fn push(repository: &str) -> Self {
        Scope(vec![format!("repository:{repository}:pull,push")])
    }

    /// Writing one repository with what another has.
    pub(super) fn mount(repository: &str, from: &str) -> Self {
        let mut scope = Self::push(repository);
        scope.0.extend(Self::pull(from).0);
        scope
    }
}

/// What a registry said when somebody came without saying who.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme {
    /// It was not asked yet, or wants nothing.
    Open,
    Basic,
    Bearer {
        realm: Url,
        service: Option<String>,
    },
}

impl Auth {
    pub(super) fn new(registry: String, client: reqwest::Client, credentials: Arc<dyn Credentials>) -> Self {
        Auth {
            registry,
            client,
            credentials,
            scheme: Mutex::new(Scheme::Open),
            tokens: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            masks: Masks::new(),
        }
    }

    /// What a request says; `None` while the registry wants nothing, or nobody in particular asks. `refused` is what was
    /// said before in vain: it is not said again if there is anything else.
    pub(super) async fn header(
        &self,
        scope: &Scope,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>> {
        let scheme = locked(&self.scheme).clone();
        // One asks for all that are refused at the same time.
        let _one = self.asking.lock().await;
        match scheme {
            Scheme::Open => Ok(None),
            Scheme::Basic => {
                let said = self.basic(false).await?;
                if said.is_some() && said.as_ref() == refused { self.basic(true).await } else { Ok(said) }
            }
            Scheme::Bearer { realm, service } => {
                let known = locked(&self.tokens).get(scope).filter(|token| token.is_good()).cloned();
                if let Some(token) = known {
                    let said = self.value("Bearer", &token.value)?;
                    if Some(&said) != refused {
                        return Ok(Some(said));
                    }
                }
                let advice = self.advice();
                let ask = token::Ask { registry: &self.registry, realm, service, scope, advice };
                let token = self.token(ask).await?;
                let said = self.value("Bearer", &token.value)?;
                locked(&self.tokens).insert(scope.clone(), token);
                Ok(Some(said))
            }
        }
    }

    async fn basic(&self, fresh: bool) -> Result<Option<HeaderValue>> {
        let Some(login) = self.credentials.get(fresh).await? else { return Ok(None) };
        if login.is_identity_token() {
            return Err(self
                .denied("wants a user and a password, and there is an identity token")
                .hint("log in with a user and a password"));
        }
        self.hide(&login.password);
        self.value("Basic", &SecretValue::new(basic(&login))).map(Some)
    }

    async fn token(&self, ask: token::Ask<'_>) -> Result<Token> {
        let login = self.credentials.get(false).await?;
        match ask.fetch(&self.client, login.as_ref()).await {
            // What knows passwords may know a newer one, such as after an expiry.
            Err(error) if error.kind() == ErrorKind::Denied && login.is_some() => {
                let newer = self.credentials.get(true).await?;
                if newer == login { Err(error) } else { ask.fetch(&self.client, newer.as_ref()).await }
            }
            other => other,
        }
    }

    /// What to do next when the registry does not let in who asks.
    pub(super) fn advice(&self) -> &'static [&'static str] {
        self.credentials.advice()
    }

    /// Notes what an answer 401 asks for.
    pub(super) fn learn(&self, place: &Place, headers: &HeaderMap) -> Result<()> {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut basic = false;
        for challenge in challenges {
            let (scheme, parameters) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let parameters = parameters_of(parameters);
                let realm = parameters.get("realm").map(String::as_str).unwrap_or_default();
                let realm = Url::parse(realm).ok().filter(|realm| place.may_use(realm)).ok_or_else(|| {
                    self.denied("sends people for tokens to an address that is not safe")
                        .with("realm", crate::names::quoted(realm))
                        .hint("check the address of the registry; its tokens must be had over TLS")
                })?;
                let service = parameters.get("service").cloned();
                *locked(&self.scheme) = Scheme::Bearer { realm, service };
                return Ok(());
            }
            basic |= scheme.eq_ignore_ascii_case("basic");
        }
        if basic {
            *locked(&self.scheme) = Scheme::Basic;
        }
        Ok(())
    }

    fn hide(&self, value: &SecretValue) {
        if !self.masks.values().contains(value) {
            self.masks.add(value);
        }
    }

    fn value(&self, scheme: &str, secret: &SecretValue) -> Result<HeaderValue> {
        self.hide(secret);
        let mut value = HeaderValue::from_str(&format!("{scheme} {}", secret.expose())).map_err(|_| {
            // The cause would be a position in the secret: nothing to act on.
            self.denied("gave a token that no request can carry").hint("check the address of the registry")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn denied(&self, what: &str) -> Error {
        Error::new(ErrorKind::Denied, format!("registry {} {what}", self.registry))
    }
}

/// A user and a password as `Basic` has them.
pub(super) fn basic(login: &Login) -> String {
    STANDARD.encode(format!("{}:{}", login.user, login.password.expose()))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `name="value", name=value` as [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-11.2) has them; names in lower case.
fn parameters_of(text: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => value.extend(chars.next().map(|(_, c)| c)),
                        c => value.push(c),
                    }
                }
                (value, &quoted[end..])
            }
            None => {
                let end = after.find([',', ' ']).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        parameters.insert(name.trim().to_ascii_lowercase(), value);
        rest = after.trim_start_matches([' ', ',']);
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::credentials::Anonymous;

    #[test]
    fn parameters_are_read_with_and_without_quotes() {
        let text =
            r#"realm="https://auth.example.com/token?a=b,c",Service=registry, scope="a \"b\"", x="open"#;
        let read = parameters_of(text);
        assert_eq!(read["realm"], "https://auth.example.com/token?a=b,c");
        assert_eq!((read["service"].as_str(), read["scope"].as_str()), ("registry", "a \"b\""));
        assert_eq!(read["x"], "open");
        assert!(parameters_of("").is_empty() && parameters_of("nothing").is_empty());
    }

    #[test]
    fn tokens_are_fetched_from_safe_places_only() {
        let learn = |place: &str, challenge: &str| {
            crate::http::tls::install_tls();
            let auth = Auth::new(place.into(), reqwest::Client::new(), Arc::new(Anonymous));
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
            auth.learn(&Place::parse(place).unwrap(), &headers).map(|()| locked(&auth.scheme).clone())
        };
        for realm in ["http://ghcr.io/token", "http://127.0.0.1/token", "ftp://x", "", "token"] {
            let error = learn("ghcr.io", &format!("Bearer realm=\"{realm}\"")).unwrap_err();
            assert_eq!((error.kind(), error.hints().len()), (ErrorKind::Denied, 1), "{realm}");
        }
        assert!(matches!(
            learn("ghcr.io", "bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\"").unwrap(),
            Scheme::Bearer { service: Some(_), .. }
        ));
        assert_eq!(learn("ghcr.io", "Basic realm=\"x\"").unwrap(), Scheme::Basic);
        assert_eq!(learn("ghcr.io", "Negotiate").unwrap(), Scheme::Open);
    }
}
