//! What a release gets beside its own variables: references and secrets, as values or as the places they are read from.

use std::collections::BTreeMap;

use crate::deploy::{ReleaseSpec, Takes, ValueFrom};
use crate::error::{Error, Result};
use crate::infra::open::Infra;
use crate::infra::providers;
use crate::infra::stores::own_store;
use crate::names::{Label, SecretName};
use crate::refs::{self, ParameterValue};

/// Secrets that a release needs and its target cannot read.
#[derive(Debug, Default)]
struct OutOfReach {
    /// They go to no store that it reads.
    no_store: Vec<String>,
    /// They are not in the store they go to.
    not_synced: Vec<String>,
}

impl Infra {
    /// Adds what a release gets beside its own variables: references, and every secret this repo needs; as values, or for a
    /// target that takes no values as the places it reads them from. [`rollout`](Infra::rollout) does this itself.
    ///
    /// Without values, secrets are looked for by name in the first of their stores that the target reads, and nothing is
    /// learnt about their values but which write is there now; references that are secret are read with all others.
    ///
    /// # Errors
    /// As [`check_references`](Infra::check_references); `NotFound` listing every secret that is missing, or that the target cannot read from where it is; what the stores
    /// fail with.
    pub async fn with_surroundings(&self, spec: ReleaseSpec) -> Result<ReleaseSpec> {
        if !self.settings().refs.is_empty() {
            self.check_references().await?;
        }
        match self.ports().deploy.habits().takes {
            Takes::Values => self.with_values(spec).await,
            Takes::Places => self.with_places(spec).await,
        }
    }

    async fn with_values(&self, mut spec: ReleaseSpec) -> Result<ReleaseSpec> {
        let references = refs::variables(&*self.ports().params, &self.settings().refs).await?;
        for (name, value) in references.plain {
            spec.env.entry(name).or_insert(value);
        }
        let mut secrets = self.needed_secrets().await?;
        for (name, value) in references.secret {
            secrets.entry(SecretName::new(name)?).or_insert(value);
        }
        for (name, value) in secrets {
            self.host().learn(&value);
            if !spec.env.contains_key(name.as_str()) {
                spec.secrets.entry(name).or_insert(value);
            }
        }
        Ok(spec)
    }

    /// The same text reaches the service as where values are given: what a store cannot hold as it is, an empty text or a
    /// list with commas in its items, is given as a plain variable.
    async fn with_places(&self, mut spec: ReleaseSpec) -> Result<ReleaseSpec> {
        let mut out_of_reach = OutOfReach::default();
        self.place_secrets(&mut spec, &mut out_of_reach).await?;
        let reads = providers::reads_parameters(self.config())?;
        for (name, parameter) in refs::by_variable(&*self.ports().params, &self.settings().refs).await? {
            if let ParameterValue::Secret(value) = &parameter.value {
                self.host().learn(value);
            }
            if is_set(&spec, &name) {
                continue;
            }
            let place = ValueFrom::new(parameter.path.as_str()).at(parameter.version.to_string());
            match parameter.value {
                value if reads && stands_as_it_is(&value) => drop(spec.from.insert(name, place)),
                ParameterValue::Plain(text) => drop(spec.env.insert(name, text)),
                ParameterValue::List(items) => drop(spec.env.insert(name, items.join(","))),
                ParameterValue::Secret(value) if value.expose().is_empty() => {
                    spec.env.insert(name, String::new());
                }
                ParameterValue::Secret(_) => {
                    out_of_reach.no_store.push(format!("{name} ({})", parameter.path));
                }
            }
        }
        out_of_reach.require()?;
        Ok(spec)
    }

    /// Finds each needed secret in the first of its stores that the target reads; only names are looked at.
    async fn place_secrets(&self, spec: &mut ReleaseSpec, out_of_reach: &mut OutOfReach) -> Result<()> {
        let own = own_store(self.config().section()?.provider);
        let mut known: BTreeMap<Label, Option<BTreeMap<SecretName, ValueFrom>>> = BTreeMap::new();
        for (name, declared) in self.secret_needs().iter() {
            if is_set(spec, name.as_str()) {
                continue;
            }
            let default = own.iter().filter(|_| declared.targets.is_empty());
            let mut found = None;
            for label in declared.targets.iter().chain(default) {
                if !known.contains_key(label) {
                    let places = providers::places(self, label, &self.store_named(label)?).await?;
                    known.insert(label.clone(), places);
                }
                found = known.get(label).and_then(Option::as_ref);
                if found.is_some() {
                    break;
                }
            }
            match found.map(|places| places.get(name)) {
                Some(Some(place)) => drop(spec.from.insert(name.to_string(), place.clone())),
                _ if declared.optional => {}
                Some(None) => out_of_reach.not_synced.push(name.to_string()),
                None => out_of_reach.no_store.push(name.to_string()),
            }
        }
        Ok(())
    }
}

/// Whether a store holds the very text that the service is to get: none holds an empty one, and lists are joined by commas.
fn stands_as_it_is(value: &ParameterValue) -> bool {
    match value {
        ParameterValue::Plain(text) => !text.is_empty(),
        ParameterValue::Secret(value) => !value.expose().is_empty(),
        ParameterValue::List(items) => {
            !items.is_empty() && items.iter().all(|item| !item.is_empty() && !item.contains(','))
        }
    }
}

fn is_set(spec: &ReleaseSpec, name: &str) -> bool {
    spec.env.contains_key(name) || spec.from.contains_key(name)
}

impl OutOfReach {
    fn require(&self) -> Result<()> {
        let count = self.no_store.len() + self.not_synced.len();
        if count == 0 {
            return Ok(());
        }
        let mut error = Error::not_found(format!("{count} secrets are not where the service can read them"));
        if !self.no_store.is_empty() {
            error = error.with("in no store that it reads", self.no_store.join(", ")).hint(
                "add `ssm` or `secrets-manager` to their `targets` in infra.toml, then `infra:secrets:sync`",
            );
        }
        if !self.not_synced.is_empty() {
            error = error
                .with("not synced", self.not_synced.join(", "))
                .hint("write them to their store with `infra:secrets:sync` in this environment");
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;

    #[test]
    fn what_no_store_holds_as_it_is_is_not_read_from_there() {
        let list = |items: &[&str]| ParameterValue::List(items.iter().map(ToString::to_string).collect());
        let plain = |text: &str| ParameterValue::Plain(text.into());
        let secret = |text: &str| ParameterValue::Secret(SecretValue::new(text));
        for good in [plain("a,b"), list(&["a"]), list(&["a", "b c"]), secret("x")] {
            assert!(stands_as_it_is(&good), "{good:?}");
        }
        for other in [plain(""), list(&[]), list(&["a,b"]), list(&["", "a"]), secret("")] {
            assert!(!stands_as_it_is(&other), "{other:?}");
        }
    }

    #[test]
    fn all_that_is_out_of_reach_is_told_at_once() {
        OutOfReach::default().require().unwrap();
        let both = OutOfReach { no_store: vec!["A".into(), "B".into()], not_synced: vec!["C".into()] };
        let error = both.require().unwrap_err();
        assert!(error.to_string().contains("3 secrets") && error.to_string().contains("A, B"), "{error}");
        assert_eq!(error.hints().len(), 2);
    }
}
