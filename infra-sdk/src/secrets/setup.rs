//! Filling a store with what an environment needs: from `.env`, by making values, and by asking for the rest.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::change::SecretChange;
use crate::secrets::check::{UnknownSecret, unknown};
use crate::secrets::dotenv::{Dotenv, DotenvWarning};
use crate::secrets::form::{MalformedSecret, malformed, malformed_error};
use crate::secrets::spec::{MissingSecret, Needs, generate, missing_error};
use crate::secrets::store::SecretStore;

/// What a setup will do; holds names, never a value.
#[derive(Clone, Debug, Serialize)]
pub struct SetupPlan {
    /// Taken from `.env`, because the store has no value or another one.
    pub from_dotenv: Vec<SecretName>,
    /// Made by setup.
    pub generate: Vec<SecretName>,
    /// To be asked for: [`apply`](SetupPlan::apply) needs a value for each.
    pub missing: Vec<MissingSecret>,
    /// Values, in `.env` or in the store, without the form that is declared: [`apply`](SetupPlan::apply) refuses them.
    pub malformed: Vec<MalformedSecret>,
    /// In the store already.
    pub unchanged: Vec<SecretName>,
    /// Not there, and need not be.
    pub absent: Vec<SecretName>,
    /// Names in `.env` that `infra.toml` does not declare.
    pub unknown: Vec<UnknownSecret>,
    /// Lines of `.env` that other programs read differently.
    pub warnings: Vec<DotenvWarning>,
    #[serde(skip)]
    needs: Needs,
}

impl SetupPlan {
    /// Fails if a value that would be stored, or is, has not its declared form.
    ///
    /// # Errors
    /// `Invalid`, naming all of them at once.
    pub fn require_form(&self) -> Result<()> {
        if self.malformed.is_empty() {
            Ok(())
        } else {
            Err(malformed_error("`.env` and the store", &self.malformed))
        }
    }

    /// Whether the store has everything already.
    pub fn is_empty(&self) -> bool {
        self.from_dotenv.is_empty()
            && self.generate.is_empty()
            && self.missing.is_empty()
            && self.malformed.is_empty()
    }
}

impl fmt::Display for SetupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (write, make) = (self.from_dotenv.len(), self.generate.len());
        write!(f, "{write} secrets to take from `.env`, {make} to make, ")?;
        write!(f, "{} missing, {} unchanged", self.missing.len(), self.unchanged.len())?;
        for name in &self.from_dotenv {
            write!(f, "\n  from .env: {name}")?;
        }
        for name in &self.generate {
            write!(f, "\n  make: {name}")?;
        }
        for missing in &self.missing {
            write!(f, "\n  missing: {missing}")?;
        }
        for malformed in &self.malformed {
            write!(f, "\n  wrong form: {malformed}")?;
        }
        for unknown in &self.unknown {
            write!(f, "\n  warning: {unknown}")?;
        }
        for warning in &self.warnings {
            write!(f, "\n  warning: {warning}")?;
        }
        Ok(())
    }
}

/// What a setup did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupReport {
    /// The store that was written to.
    pub store: String,
    /// Taken from `.env`.
    pub from_dotenv: Vec<SecretName>,
    /// Made.
    pub generated: Vec<SecretName>,
    /// Given by the caller.
    pub supplied: Vec<SecretName>,
    /// Left as they were.
    pub unchanged: Vec<SecretName>,
    /// What `.env` sets and nobody asked for.
    pub unknown: Vec<UnknownSecret>,
    /// What is odd in `.env`.
    pub warnings: Vec<DotenvWarning>,
}

impl fmt::Display for SetupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} secrets from `.env`, {} made, {} typed in, {} unchanged",
            self.store,
            self.from_dotenv.len(),
            self.generated.len(),
            self.supplied.len(),
            self.unchanged.len()
        )?;
        let unknown = self.unknown.iter().map(ToString::to_string);
        for warning in unknown.chain(self.warnings.iter().map(ToString::to_string)) {
            write!(f, "\n  warning: {warning}")?;
        }
        Ok(())
    }
}

/// Compares what is needed with `.env` and with what the store holds.
///
/// A value in `.env` wins over the store; a value in the store is never replaced by a made one.
pub fn plan_setup(
    needs: &Needs,
    dotenv: Option<&Dotenv>,
    stored: &BTreeMap<SecretName, SecretValue>,
) -> SetupPlan {
    let mut plan = SetupPlan {
        from_dotenv: Vec::new(),
        generate: Vec::new(),
        missing: Vec::new(),
        malformed: Vec::new(),
        unchanged: Vec::new(),
        absent: Vec::new(),
        unknown: dotenv.map(|dotenv| unknown(needs, dotenv)).unwrap_or_default(),
        warnings: dotenv.map(|dotenv| dotenv.warnings().to_vec()).unwrap_or_default(),
        needs: needs.clone(),
    };
    for (name, spec) in needs.iter() {
        let given = dotenv.and_then(|dotenv| dotenv.get(name));
        let kept = stored.get(name).filter(|value| !value.is_empty());
        // The value that will be in the store, unless it is made or asked for.
        if let Some(malformed) = given.or(kept).and_then(|value| malformed(needs, name, value)) {
            plan.malformed.push(malformed);
            continue;
        }
        let name = name.clone();
        match (given, kept) {
            (Some(given), kept) if kept != Some(given) => plan.from_dotenv.push(name),
            (_, Some(_)) => plan.unchanged.push(name),
            _ if spec.generate.is_some() => plan.generate.push(name),
            _ if spec.optional => plan.absent.push(name),
            _ => plan.missing.push(MissingSecret::new(&name, spec)),
        }
    }
    plan
}

impl SetupPlan {
    /// Writes what the plan says: values of `dotenv`, made ones, and for what is missing the `supplied` ones.
    ///
    /// `dotenv` is the one the plan was made from.
    ///
    /// # Errors
    /// `NotFound`, naming all at once, when a missing secret was not supplied or a value has gone from `dotenv`;
    /// `Invalid`, naming all at once, when values have the wrong form, and when a secret was supplied that nobody asked
    /// for; nothing is written then. What the store fails with: the
    /// error then says which secrets are left.
    pub async fn apply(
        &self,
        dotenv: Option<&Dotenv>,
        mut supplied: BTreeMap<SecretName, SecretValue>,
        store: &dyn SecretStore,
    ) -> Result<SetupReport> {
        let mut changes = Vec::new();
        let mut left = Vec::new();
        for name in &self.from_dotenv {
            match (dotenv.and_then(|dotenv| dotenv.get(name)), self.needs.get(name)) {
                (Some(value), _) => changes.push(put(name, value.clone())),
                (None, Some(spec)) => left.push(MissingSecret::new(name, spec)),
                (None, None) => {}
            }
        }
        for missing in &self.missing {
            match supplied.remove(&missing.name).filter(|value| !value.is_empty()) {
                Some(value) => changes.push(put(&missing.name, value)),
                None => left.push(missing.clone()),
            }
        }
        self.refuse_malformed(&changes)?;
        if !left.is_empty() {
            return Err(missing_error("`.env`", &left));
        }
        if let Some(name) = supplied.keys().next() {
            return Err(Error::invalid("a value was supplied for a secret that is not missing")
                .with("secret", name)
                .hint("change it in `.env` instead"));
        }
        for name in &self.generate {
            if let Some(how) = self.needs.get(name).and_then(|spec| spec.generate) {
                changes.push(put(name, generate(how)?));
            }
        }
        self.refuse_malformed(&changes)?;
        if !changes.is_empty() {
            store.write(&changes).await?.complete(&changes)?;
        }
        Ok(SetupReport {
            store: store.name().to_owned(),
            from_dotenv: self.from_dotenv.clone(),
            generated: self.generate.clone(),
            supplied: self.missing.iter().map(|missing| missing.name.clone()).collect(),
            unchanged: self.unchanged.clone(),
            unknown: self.unknown.clone(),
            warnings: self.warnings.clone(),
        })
    }
}

impl SetupPlan {
    fn refuse_malformed(&self, changes: &[SecretChange]) -> Result<()> {
        let wrong = changes.iter().filter_map(|change| match change {
            SecretChange::Put { name, value, .. } => malformed(&self.needs, name, value),
            _ => None,
        });
        let mut all = self.malformed.clone();
        all.extend(wrong);
        if all.is_empty() { Ok(()) } else { Err(malformed_error("`.env` or the store", &all)) }
    }
}

fn put(name: &SecretName, value: SecretValue) -> SecretChange {
    SecretChange::put(name.clone(), value)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::config::{Generate, SecretForm, SecretSpec};
    use crate::names::EnvName;
    use crate::secrets::{Costs, Listing, Mark, Stamps, WriteReport};

    /// A store that keeps what it is given.
    #[derive(Default)]
    struct Kept(Mutex<BTreeMap<SecretName, SecretValue>>);

    #[async_trait]
    impl SecretStore for Kept {
        fn name(&self) -> &str {
            "memory"
        }
        fn id(&self) -> &str {
            "memory"
        }
        fn costs(&self) -> Costs {
            let stamps = Stamps::None;
            Costs {
                puts: 1,
                deletes: 1,
                mixed: false,
                page: 100,
                opening: 0,
                stamps,
                pace: None,
                ..Costs::default()
            }
        }
        fn key(&self, name: &SecretName) -> String {
            name.to_string()
        }
        fn check(&self, _: &SecretChange) -> Result<()> {
            Ok(())
        }
        async fn look(&self, _: Option<&Mark>) -> Result<Listing> {
            Ok(Listing::Now { secrets: Vec::new(), mark: None })
        }
        async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
            let mut kept = self.0.lock().unwrap();
            for change in changes {
                if let SecretChange::Put { name, value, .. } = change {
                    kept.insert(name.clone(), value.clone());
                }
            }
            Ok(WriteReport::all(
                changes
                    .iter()
                    .map(|c| crate::secrets::Written { name: c.name().clone(), stamp: None })
                    .collect(),
            ))
        }
    }

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    fn needs() -> Needs {
        let made = SecretSpec { generate: Some(Generate { bytes: 32 }), ..SecretSpec::default() };
        let optional = SecretSpec { optional: true, ..SecretSpec::default() };
        let plain = SecretSpec::default;
        let declared = [
            ("GIVEN", plain()),
            ("ASKED", plain()),
            ("MADE", made.clone()),
            ("OWN", made),
            ("MAYBE", optional),
        ];
        Needs::of(&declared.map(|(n, spec)| (name(n), spec)).into(), &EnvName::local())
    }

    #[tokio::test]
    async fn a_store_is_filled_from_the_file_by_making_and_by_asking_and_then_left_alone() {
        let dotenv = Dotenv::parse("GIVEN=canary1\nOWN=canary2\nGIVN=canary3\n", ".env").unwrap();
        let store = Kept::default();
        let plan = plan_setup(&needs(), Some(&dotenv), &BTreeMap::new());
        let shown = format!("{plan} {plan:?} {}", serde_json::to_string(&plan).unwrap());
        assert!(!shown.contains("canary") && shown.contains("GIVN is not declared"), "{shown}");
        assert_eq!(plan.from_dotenv, [name("GIVEN"), name("OWN")]);
        assert_eq!((plan.generate.len(), plan.missing.len(), plan.absent.len()), (1, 1, 1));

        let error = plan.apply(Some(&dotenv), BTreeMap::new(), &store).await.unwrap_err();
        assert!(error.to_string().contains("ASKED") && store.0.lock().unwrap().is_empty());
        let supplied = BTreeMap::from([(name("ASKED"), SecretValue::new("typed"))]);
        let report = plan.apply(Some(&dotenv), supplied, &store).await.unwrap();
        let shown = report.to_string();
        assert!(
            shown.starts_with("memory: 2 secrets from `.env`, 1 made, 1 typed in, 0 unchanged\n"),
            "{shown}"
        );
        assert!(shown.contains("warning: GIVN is not declared"), "{shown}");
        let stored = store.0.lock().unwrap().clone();
        assert_eq!(stored[&name("OWN")].expose(), "canary2");
        assert_eq!(stored[&name("MADE")].expose().len(), 43);

        assert!(plan_setup(&needs(), Some(&dotenv), &stored).is_empty());
        assert!(plan_setup(&needs(), None, &stored).is_empty());
        let changed = Dotenv::parse("GIVEN=other\nMADE=\n", ".env").unwrap();
        let plan = plan_setup(&needs(), Some(&changed), &stored);
        assert_eq!((plan.from_dotenv, plan.unchanged.len()), (vec![name("GIVEN")], 3));
    }

    #[tokio::test]
    async fn a_value_nobody_asked_for_or_an_empty_one_is_refused() {
        let store = Kept::default();
        let plan = plan_setup(&needs(), None, &BTreeMap::new());
        let of =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (name(n), SecretValue::new(*v))).collect();
        for supplied in
            [of(&[("ASKED", "x"), ("GIVEN", "")]), of(&[("ASKED", "x"), ("GIVEN", "x"), ("MADE", "x")])]
        {
            assert!(plan.apply(None, supplied, &store).await.is_err());
        }
        assert!(store.0.lock().unwrap().is_empty());
    }
    #[tokio::test]
    async fn all_values_of_the_wrong_form_are_refused_at_once_and_nothing_is_written() {
        let of = |form| SecretSpec { form, ..SecretSpec::default() };
        let declared = [
            (name("A"), of(SecretForm::Json)),
            (name("B"), of(SecretForm::Integer)),
            (name("C"), of(SecretForm::Url)),
            (name("D"), of(SecretForm::Url)),
        ];
        let needs = Needs::of(&declared.into(), &EnvName::local());
        let dotenv = Dotenv::parse("A=canary\nD=https://x\n", ".env").unwrap();
        let kept = [(name("B"), "canary"), (name("D"), "canary")];
        let kept = kept.map(|(name, value)| (name, SecretValue::new(value))).into();
        let plan = plan_setup(&needs, Some(&dotenv), &kept);
        assert!(!plan.is_empty());
        assert_eq!(plan.from_dotenv, [name("D")]);
        let store = Kept::default();
        let supplied = [(name("C"), SecretValue::new("canary"))].into();
        let error = plan.apply(Some(&dotenv), supplied, &store).await.unwrap_err();
        let shown = format!("{plan}{error:?}{}", serde_json::to_string(&plan).unwrap());
        assert!(shown.contains("3 secrets have the wrong form"), "{shown}");
        assert!(shown.contains("A should be JSON: not JSON at line 1 column 1; B should be"), "{shown}");
        assert!(!shown.contains("canary") && store.0.lock().unwrap().is_empty(), "{shown}");
    }
}
