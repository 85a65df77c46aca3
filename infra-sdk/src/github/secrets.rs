//! GitHub as a store of secrets: they are listed and written, and never given back.

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::config::Visibility;
use crate::error::{Error, ErrorKind, Result};
use crate::github::Github;
use crate::github::list::{self, Listed};
use crate::github::organisation::{Access, Audience, Newcomers};
use crate::github::place::Place;
use crate::github::rules;
use crate::github::seal::{GivenKey, PublicKey};
use crate::http::{Answer, Api, Method};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{Costs, Listing, Mark, SecretChange, SecretStore, Stamps, WriteReport, Written};

/// The Actions secrets of a repository, an environment or an organisation.
///
/// A look is one request for each 100 secrets, free of charge while nothing changes; a change is one request; the
/// public key is asked for once. Names are upper case there: `a_b` and `A_B` are one secret.
pub struct GithubSecrets {
    api: Api,
    place: Place,
    name: String,
    id: String,
    key: Mutex<Option<PublicKey>>,
    /// Of organisations only.
    access: Option<Mutex<Access>>,
}

/// What a put sends.
#[derive(Serialize)]
struct Put<'a> {
    encrypted_value: String,
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<Visibility>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_repository_ids: Option<&'a [u64]>,
}

impl GithubSecrets {
    pub(super) fn new(api: Api, place: Place, newcomers: Option<Newcomers>) -> Self {
        let id = match Github::is_public(&api) {
            true => format!("github:{}", place.id),
            false => format!("github:{}/{}", api.authority(), place.id),
        };
        let access = newcomers.map(|newcomers| Mutex::new(Access::new(newcomers)));
        GithubSecrets { name: place.name.clone(), id, api, place, key: Mutex::new(None), access }
    }

    /// The public key, asked for once.
    async fn key(&self) -> Result<PublicKey> {
        let mut kept = self.key.lock().await;
        match &*kept {
            Some(key) => Ok(key.clone()),
            None => Ok(kept.insert(self.ask_key().await?).clone()),
        }
    }

    /// The public key as it is now, if it is not `old`: keys are replaced at times.
    async fn newer_key(&self, old: &PublicKey) -> Result<Option<PublicKey>> {
        let now = self.ask_key().await?;
        *self.key.lock().await = Some(now.clone());
        Ok(Some(now).filter(|now| now.id != old.id))
    }

    async fn ask_key(&self) -> Result<PublicKey> {
        self.api.call(Method::Get, &self.place.key()?).send().await?.json::<GivenKey>()?.try_into()
    }

    async fn change(&self, change: &SecretChange) -> Result<()> {
        let key = rules::key(change.name());
        match change {
            SecretChange::Put { value, .. } => self.put(&key, value).await,
            SecretChange::Delete { .. } => self.delete(&key).await,
        }
        .map_err(|error| self.place.explain(error.with("secret", change.name())))
    }

    async fn put(&self, key: &str, value: &SecretValue) -> Result<()> {
        let audience = self.audience(key).await?;
        let public = self.key().await?;
        let refused = match self.send(key, value, &public, audience.as_ref()).await {
            // What GitHub answers to a key that was replaced is not documented; only a newer key makes it worth a try.
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => error,
            done => return self.wrote(key, audience, done).await,
        };
        let done = match self.newer_key(&public).await? {
            Some(newer) => self.send(key, value, &newer, audience.as_ref()).await,
            None => Err(refused),
        };
        self.wrote(key, audience, done).await
    }

    async fn send(
        &self,
        key: &str,
        value: &SecretValue,
        public: &PublicKey,
        audience: Option<&Audience>,
    ) -> Result<Answer> {
        let put = Put {
            encrypted_value: public.seal(value)?,
            key_id: &public.id,
            visibility: audience.map(|audience| audience.visibility),
            selected_repository_ids: audience.and_then(|audience| audience.repositories.as_deref()),
        };
        self.api.call(Method::Put, &self.place.secret(key)?).json(&put).send().await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.api.call(Method::Delete, &self.place.secret(key)?).send().await {
            Err(error) if error.kind() == ErrorKind::NotFound => self.forget(key).await,
            Err(error) => return Err(error),
            Ok(_) => self.forget(key).await,
        }
        Ok(())
    }

    /// Who may use the secret, where that has to be said with each put.
    async fn audience(&self, key: &str) -> Result<Option<Audience>> {
        let Some(access) = &self.access else { return Ok(None) };
        let mut access = access.lock().await;
        if !access.is_known()
            && let Listed::Now { entries, .. } = list::secrets(&self.api, &self.place.list, None).await?
        {
            access.seen(&entries);
        }
        access.of(&self.api, key, &self.place.secret(key)?).await.map(Some)
    }

    async fn wrote(&self, key: &str, audience: Option<Audience>, done: Result<Answer>) -> Result<()> {
        done?;
        if let (Some(access), Some(audience)) = (&self.access, audience) {
            access.lock().await.wrote(key, Some(audience.visibility));
        }
        Ok(())
    }

    async fn forget(&self, key: &str) {
        if let Some(access) = &self.access {
            access.lock().await.wrote(key, None);
        }
    }
}

#[async_trait]
impl SecretStore for GithubSecrets {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    /// One request a change; GitHub asks for a second between two when there are many
    /// (<https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>).
    fn costs(&self) -> Costs {
        Costs {
            puts: 1,
            deletes: 1,
            mixed: false,
            page: list::PAGE,
            opening: 1,
            stamps: Stamps::OnLook,
            pace: Some(1.0),
            capacity: Some(self.place.most),
            ..Costs::default()
        }
    }

    fn key(&self, name: &SecretName) -> String {
        rules::key(name)
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        rules::check(change)
    }

    async fn look(&self, since: Option<&Mark>) -> Result<Listing> {
        let explain = |error: Error| self.place.explain(error);
        match list::secrets(&self.api, &self.place.list, since).await.map_err(explain)? {
            Listed::Unchanged => Ok(Listing::Unchanged),
            Listed::Now { entries, mark } => {
                if let Some(access) = &self.access {
                    access.lock().await.seen(&entries);
                }
                Ok(Listing::Now { secrets: entries.values().filter_map(list::Entry::stored).collect(), mark })
            }
        }
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        rules::check_batch(changes, self.place.most)?;
        let mut report = WriteReport::default();
        for change in changes {
            match self.change(change).await {
                Ok(()) => report.written.push(Written { name: change.name().clone(), stamp: None }),
                Err(error) if report.written.is_empty() => return Err(error),
                Err(error) => {
                    report.failure = Some(error);
                    break;
                }
            }
        }
        Ok(report)
    }
}

impl std::fmt::Debug for GithubSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GithubSecrets").field("id", &self.id).finish_non_exhaustive()
    }
}
