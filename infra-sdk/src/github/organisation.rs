//! Who may use an organisation's secrets: kept for those that are there, settled for new ones.

use std::collections::BTreeMap;

use crate::config::Visibility;
use crate::error::{Error, ErrorKind, Result};
use crate::github::list::{self, Entry, Repository};
use crate::http::{Api, Method, Path};
use crate::names::quoted;

/// What an organisation's secret is put with. GitHub wants it anew with each put: leaving it out would take access away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audience {
    pub(super) visibility: Visibility,
    /// For `Selected`: the numbers of the repositories.
    pub(super) repositories: Option<Vec<u64>>,
}

/// Who may use a new secret, as configured.
#[derive(Clone, Debug)]
pub(super) struct Newcomers {
    visibility: Visibility,
    /// The selected repositories, as owner and name.
    repositories: Vec<(String, String)>,
}

impl Newcomers {
    /// Checks the settings.
    pub(super) fn new(
        organisation: &str,
        visibility: Option<Visibility>,
        repositories: &[String],
    ) -> Result<Self> {
        let visibility = visibility.unwrap_or(Visibility::Private);
        let selected = visibility == Visibility::Selected;
        if selected && repositories.is_empty() {
            return Err(Error::invalid("no repository may use the organisation's secrets")
                .with("organisation", organisation)
                .hint("name them in `repositories`, or use another `visibility` than `selected`"));
        }
        if !selected && !repositories.is_empty() {
            return Err(Error::invalid("repositories are named, but not selected")
                .with("organisation", organisation)
                .hint("set `visibility = \"selected\"`, or leave `repositories` out"));
        }
        let repositories =
            repositories.iter().map(|name| owned(organisation, name)).collect::<Result<_>>()?;
        Ok(Newcomers { visibility, repositories })
    }

    /// Asks for the numbers of the repositories.
    async fn resolve(&self, api: &Api) -> Result<Audience> {
        if self.visibility != Visibility::Selected {
            return Ok(Audience { visibility: self.visibility, repositories: None });
        }
        let mut ids = Vec::new();
        for (owner, name) in &self.repositories {
            let path = Path::of(&["repos", owner, name])?;
            let answer = api.call(Method::Get, &path).send().await.map_err(|error| {
                error.hint(
                    "correct `repositories` of the store in infra.toml, or give the token access to them",
                )
            })?;
            ids.push(answer.json::<Repository>()?.id);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Audience { visibility: self.visibility, repositories: Some(ids) })
    }
}

/// Owner and name of a repository of the organisation.
fn owned(organisation: &str, repository: &str) -> Result<(String, String)> {
    let (owner, name) = repository.split_once('/').unwrap_or((organisation, repository));
    if owner.eq_ignore_ascii_case(organisation) && !name.is_empty() && !name.contains('/') {
        return Ok((owner.to_owned(), name.to_owned()));
    }
    Err(Error::invalid(format!("{} is not a repository of the organisation", quoted(repository)))
        .with("organisation", organisation)
        .hint("name repositories of the organisation, such as `shop-api`"))
}

/// Who may use which secret, as far as it is known.
#[derive(Debug)]
pub(super) struct Access {
    newcomers: Newcomers,
    /// The numbers behind `newcomers`, asked for once.
    resolved: Option<Audience>,
    /// The visibility of each secret that is there; `None` before the first look.
    known: Option<BTreeMap<String, Visibility>>,
}

impl Access {
    pub(super) fn new(newcomers: Newcomers) -> Self {
        Access { newcomers, resolved: None, known: None }
    }

    /// Notes what a look showed.
    pub(super) fn seen(&mut self, entries: &BTreeMap<String, Entry>) {
        let shown = |(name, entry): (&String, &Entry)| Some((name.clone(), entry.visibility?));
        self.known = Some(entries.iter().filter_map(shown).collect());
    }

    /// Notes a put or a delete.
    pub(super) fn wrote(&mut self, key: &str, visibility: Option<Visibility>) {
        let Some(known) = &mut self.known else { return };
        match visibility {
            Some(visibility) => known.insert(key.to_owned(), visibility),
            None => known.remove(key),
        };
    }

    /// Whether the list was read: putting without it could give a secret to more people than before.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// What the secret at `path` is put with: what it has, or what new ones get.
    pub(super) async fn of(&mut self, api: &Api, key: &str, path: &Path) -> Result<Audience> {
        let known = self.known.as_ref().and_then(|known| known.get(key)).copied();
        match known {
            None => self.newcomer(api).await,
            Some(Visibility::Selected) => match list::repositories(api, &path.join(&["repositories"])?).await
            {
                Ok(ids) => Ok(Audience { visibility: Visibility::Selected, repositories: Some(ids) }),
                // Somebody removed it since the look: then it is new.
                Err(error) if error.kind() == ErrorKind::NotFound => self.newcomer(api).await,
                Err(error) => Err(error),
            },
            Some(visibility) => Ok(Audience { visibility, repositories: None }),
        }
    }

    async fn newcomer(&mut self, api: &Api) -> Result<Audience> {
        match &self.resolved {
            Some(audience) => Ok(audience.clone()),
            None => {
                let audience = self.newcomers.resolve(api).await?;
                Ok(self.resolved.insert(audience).clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_new_secrets_is_said_without_contradiction() {
        let new = |visibility, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Newcomers::new("acme", visibility, &names)
        };
        assert_eq!(new(None, &[]).unwrap().visibility, Visibility::Private);
        let selected = new(Some(Visibility::Selected), &["api", "Acme/web"]).unwrap();
        let owned = [("acme".to_owned(), "api".to_owned()), ("Acme".to_owned(), "web".to_owned())];
        assert_eq!(selected.repositories, owned);
        for names in [&[][..], &["other/api"], &["acme/"], &["acme/a/b"]] {
            let error = new(Some(Visibility::Selected), names).unwrap_err();
            assert!(!error.hints().is_empty());
        }
        assert!(new(None, &["api"]).is_err() && new(Some(Visibility::All), &["api"]).is_err());
    }
}
