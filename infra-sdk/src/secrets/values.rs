//! The values one environment has, each with the place it comes from: environment, `.env`, store or organisation.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::config::{SecretSpec, Shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::dotenv::Dotenv;
use crate::secrets::rotate::previous_of;
use crate::secrets::spec::{MissingSecret, Needs};

/// All there is to take values from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The process environment; taken from in CI only.
    pub env: &'a Env,
    /// Whether this is CI: the environment then stands in for `.env`, which is not looked at.
    pub ci: bool,
    /// `.env`, where there is one.
    pub dotenv: Option<&'a Dotenv>,
    /// How messages call the store.
    pub store: &'a str,
    /// What the store holds.
    pub stored: &'a BTreeMap<SecretName, SecretValue>,
    /// The tag the organisation's values stand at; empty without an organisation.
    pub tag: &'a str,
    /// What the organisation shares.
    pub organisation: &'a BTreeMap<SecretName, SecretValue>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueOrigin {
    /// The process environment.
    Environment,
    /// A line of `.env` or `.env.ENVIRONMENT`.
    Dotenv {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The store of this name.
    Store(String),
    /// The vault of the repo that `extends` pins.
    Organisation {
        /// The pinned tag.
        tag: String,
    },
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueOrigin::Environment => f.pad("the environment"),
            ValueOrigin::Dotenv { path, line } => f.pad(&format!("{}:{line}", path.display())),
            ValueOrigin::Store(name) => f.pad(name),
            ValueOrigin::Organisation { tag } => f.pad(&format!("the organisation at {tag}")),
        }
    }
}

/// A value that is there and not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IgnoredValue {
    /// Its name.
    pub name: SecretName,
    /// Where it stands.
    pub origin: ValueOrigin,
    /// Why it is not used.
    pub reason: IgnoreReason,
}

/// Why a value is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoreReason {
    /// The organisation owns the secret: a product cannot write it.
    OrganisationOwns,
    /// It is the old value of a rotation that is under way; the store has the new one.
    BeforeRotation,
}

impl fmt::Display for IgnoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} is ignored: ", self.name, self.origin)?;
        f.write_str(match self.reason {
            IgnoreReason::OrganisationOwns => "the organisation owns it; remove it there",
            IgnoreReason::BeforeRotation => "it is the value from before the rotation; remove it there",
        })
    }
}

#[derive(Clone, Debug)]
struct Entry {
    value: SecretValue,
    origin: ValueOrigin,
    /// For the old value of a rotation: the secret it was the value of.
    previous_of: Option<SecretName>,
    /// Whether the store holds this very value.
    stored: bool,
}

/// The values of one environment by name, with their origins. `Debug` shows no value.
#[derive(Clone, Debug, Default)]
pub struct Values {
    entries: BTreeMap<SecretName, Entry>,
    missing: Vec<MissingSecret>,
    missing_shared: Vec<MissingSecret>,
    ignored: Vec<IgnoredValue>,
    ci: bool,
}

/// Finds the value of each secret that is needed; an empty one counts as missing.
///
/// In CI the process environment wins over the store and `.env` is not looked at; elsewhere `.env` wins over the store and
/// the environment is not looked at. A secret the organisation shares comes from the organisation alone. The old value
/// of a rotation that is under way is there under [its own name](previous_of).
///
/// ```
/// # fn main() -> infra_sdk::Result<()> {
/// use infra_sdk::secrets::{Dotenv, Given, Needs, ValueOrigin, collect};
/// let declared = [("API_KEY".parse()?, infra_sdk::config::SecretSpec::default())].into();
/// let needs = Needs::of(&declared, &"staging".parse()?);
/// let dotenv = Dotenv::parse("API_KEY=hunter2\n", ".env")?;
/// let (env, none) = (infra_sdk::Env::of([("", ""); 0], "/"), Default::default());
/// let given = Given {
///     env: &env, ci: false, dotenv: Some(&dotenv), store: "the vault", stored: &none, tag: "", organisation: &none,
/// };
/// let values = collect(&needs, given);
/// values.require()?;
/// let name = "API_KEY".parse()?;
/// assert_eq!(values.get(&name).unwrap().expose(), "hunter2");
/// assert_eq!(values.origin(&name), Some(&ValueOrigin::Dotenv { path: ".env".into(), line: 1 }));
/// # Ok(())
/// # }
/// ```
pub fn collect(needs: &Needs, given: Given<'_>) -> Values {
    let mut values = Values { ci: given.ci, ..Values::default() };
    for (name, spec) in needs.iter() {
        match spec.shared {
            Some(Shared::Org) => values.shared(name, spec, given),
            None => values.own(needs, name, spec, given),
        }
    }
    values
}

impl<'a> Given<'a> {
    /// What a person or a CI job sets over the store.
    fn over(self, name: &SecretName) -> Option<(SecretValue, ValueOrigin)> {
        if self.ci {
            return Some((SecretValue::new(self.env.get(name.as_str())?), ValueOrigin::Environment));
        }
        let dotenv = self.dotenv?;
        let (path, line) = dotenv.origin(name)?;
        Some((dotenv.get(name)?.clone(), ValueOrigin::Dotenv { path: path.to_owned(), line }))
    }

    fn stored(self, name: &SecretName) -> Option<&'a SecretValue> {
        self.stored.get(name).filter(|value| !value.is_empty())
    }
}

impl Values {
    fn shared(&mut self, name: &SecretName, spec: &SecretSpec, given: Given<'_>) {
        if let Some((_, origin)) = given.over(name) {
            self.ignore(name, origin, IgnoreReason::OrganisationOwns);
        }
        if given.stored(name).is_some() {
            self.ignore(name, ValueOrigin::Store(given.store.to_owned()), IgnoreReason::OrganisationOwns);
        }
        match given.organisation.get(name).filter(|value| !value.is_empty()) {
            Some(value) => {
                let origin = ValueOrigin::Organisation { tag: given.tag.to_owned() };
                self.insert(name, value.clone(), origin, false);
            }
            None if !spec.optional => self.missing_shared.push(MissingSecret::new(name, spec)),
            None => {}
        }
    }

    fn own(&mut self, needs: &Needs, name: &SecretName, spec: &SecretSpec, given: Given<'_>) {
        let store = || ValueOrigin::Store(given.store.to_owned());
        let stored = given.stored(name);
        // A name whose old value can have none is one that is never rotated.
        let previous = previous_of(needs, name).ok();
        let old = previous.as_ref().and_then(|previous| given.stored(previous));
        let over = match given.over(name) {
            Some((value, origin)) if stored.is_some() && Some(&value) == old && Some(&value) != stored => {
                self.ignore(name, origin, IgnoreReason::BeforeRotation);
                None
            }
            over => over,
        };
        match over.or_else(|| stored.map(|value| (value.clone(), store()))) {
            Some((value, origin)) => {
                let same = stored == Some(&value);
                self.insert(name, value, origin, same);
            }
            None if !spec.optional => self.missing.push(MissingSecret::new(name, spec)),
            None => {}
        }
        let Some(previous) = previous else { return };
        let old = match old {
            Some(old) => Some((old.clone(), store())),
            // A job that cannot read the store is told by its environment that a rotation is under way.
            None if given.ci && stored.is_none() => given.over(&previous),
            None => None,
        };
        if let Some((value, origin)) = old {
            let stored = matches!(origin, ValueOrigin::Store(_));
            let entry = Entry { value, origin, previous_of: Some(name.clone()), stored };
            self.entries.insert(previous, entry);
        }
    }

    fn insert(&mut self, name: &SecretName, value: SecretValue, origin: ValueOrigin, stored: bool) {
        self.entries.insert(name.clone(), Entry { value, origin, previous_of: None, stored });
    }

    fn ignore(&mut self, name: &SecretName, origin: ValueOrigin, reason: IgnoreReason) {
        self.ignored.push(IgnoredValue { name: name.clone(), origin, reason });
    }

    /// One value.
    pub fn get(&self, name: &SecretName) -> Option<&SecretValue> {
        self.entries.get(name).map(|entry| &entry.value)
    }

    /// Where a value comes from.
    pub fn origin(&self, name: &SecretName) -> Option<&ValueOrigin> {
        self.entries.get(name).map(|entry| &entry.origin)
    }

    /// Whether the store holds this very value, wherever it comes from.
    pub fn is_stored(&self, name: &SecretName) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.stored)
    }

    /// For the old value of a rotation that is under way: the secret that is being rotated. Targets and form are those of
    /// that secret.
    pub fn previous_of(&self, name: &SecretName) -> Option<&SecretName> {
        self.entries.get(name)?.previous_of.as_ref()
    }

    /// All values by name, the old ones of rotations among them.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretName, &SecretValue)> {
        self.entries.iter().map(|(name, entry)| (name, &entry.value))
    }

    /// All values without their origins.
    pub fn to_map(&self) -> BTreeMap<SecretName, SecretValue> {
        self.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The required secrets without a value, by name.
    pub fn missing(&self) -> Vec<&MissingSecret> {
        let mut missing: Vec<_> = self.missing.iter().chain(&self.missing_shared).collect();
        missing.sort_by(|a, b| a.name.cmp(&b.name));
        missing
    }

    /// The values that are there and not used.
    pub fn ignored(&self) -> &[IgnoredValue] {
        &self.ignored
    }

    /// Fails unless every required secret has a value.
    ///
    /// # Errors
    /// `NotFound`, naming and describing all that are missing at once.
    pub fn require(&self) -> Result<()> {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let mut error = Error::not_found(format!("{} required secrets have no value", missing.len()))
            .with("missing", names.join("; "));
        if !self.missing.is_empty() {
            error = error.hint(if self.ci {
                "set them in the job's environment, under `env:` of the step that runs this"
            } else {
                "put them into `.env`, or run `cargo xtask infra:secrets:setup` to make or ask for them"
            });
        }
        if let Some(shared) = self.missing_shared.first() {
            error = error.hint(format!(
                "ask whoever keeps the organisation's secrets to share {}, then raise `extends.tag`",
                shared.name
            ));
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::EnvName;

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<SecretName, SecretValue> {
        pairs.iter().map(|(n, v)| (name(n), SecretValue::new(*v))).collect()
    }

    struct World {
        env: Env,
        dotenv: Dotenv,
        stored: BTreeMap<SecretName, SecretValue>,
        organisation: BTreeMap<SecretName, SecretValue>,
    }

    impl World {
        fn new(env: &[(&str, &str)], dotenv: &str, stored: &[(&str, &str)], org: &[(&str, &str)]) -> Self {
            World {
                env: Env::of(env.iter().copied(), "/"),
                dotenv: Dotenv::parse(dotenv, ".env").unwrap(),
                stored: map(stored),
                organisation: map(org),
            }
        }

        fn values(&self, ci: bool) -> Values {
            let shared = SecretSpec { shared: Some(Shared::Org), ..SecretSpec::default() };
            let optional = SecretSpec { optional: true, ..SecretSpec::default() };
            let plain = SecretSpec::default;
            let declared = [("A", plain()), ("B", plain()), ("O", optional), ("S", shared)];
            let declared = declared.map(|(n, spec)| (name(n), spec)).into();
            let given = Given {
                env: &self.env,
                ci,
                dotenv: Some(&self.dotenv),
                store: "the vault",
                stored: &self.stored,
                tag: "v1.2.0",
                organisation: &self.organisation,
            };
            collect(&Needs::of(&declared, &EnvName::local()), given)
        }
    }

    fn shown(values: &Values) -> Vec<String> {
        let one = |(n, v): (&SecretName, &SecretValue)| {
            format!("{n}={} from {}", v.expose(), values.origin(n).unwrap())
        };
        values.iter().map(one).collect()
    }

    #[test]
    fn a_person_is_read_from_the_file_and_a_job_from_its_environment_both_over_the_store() {
        let world = World::new(
            &[("A", "env-a"), ("B", ""), ("PATH", "/bin")],
            "\nA=file-a\nB=\n",
            &[("A", "stored-a"), ("B", "stored-b"), ("STRANGE", "x")],
            &[("S", "org-s"), ("A", "org-a")],
        );
        let org = "S=org-s from the organisation at v1.2.0";
        assert_eq!(shown(&world.values(false)), ["A=file-a from .env:2", "B=stored-b from the vault", org]);
        assert_eq!(
            shown(&world.values(true)),
            ["A=env-a from the environment", "B=stored-b from the vault", org]
        );
        assert!(world.values(true).require().is_ok() && world.values(true).ignored().is_empty());
        assert_eq!(world.values(true).to_map().len(), 3);
    }

    #[test]
    fn all_that_is_missing_is_told_at_once_with_the_way_out() {
        let world = World::new(&[], "A=\n", &[("B", "")], &[("S", "")]);
        let values = world.values(false);
        assert_eq!(values.missing().iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["A", "B", "S"]);
        let error = values.require().unwrap_err();
        assert_eq!(error.to_string(), "3 required secrets have no value (missing: A; B; S)");
        assert!(error.hints()[0].contains("`.env`") && error.hints()[1].contains("`extends.tag`"));
        let in_ci = world.values(true).require().unwrap_err();
        assert!(in_ci.hints()[0].contains("the job's environment"), "{in_ci:?}");
    }

    #[test]
    fn a_product_cannot_set_what_the_organisation_owns() {
        let world = World::new(
            &[("S", "canary-env")],
            "S=canary-file\nA=1\n",
            &[("S", "canary-stored"), ("B", "1")],
            &[("S", "org-s")],
        );
        for (ci, place) in [(false, "S in .env:1 is ignored: "), (true, "S in the environment is ignored: ")]
        {
            let values = world.values(ci);
            assert_eq!(values.get(&name("S")).unwrap().expose(), "org-s");
            let ignored: Vec<String> = values.ignored().iter().map(ToString::to_string).collect();
            assert!(ignored[0].starts_with(place) && ignored[0].contains("the organisation owns it"));
            assert!(ignored[1].starts_with("S in the vault is ignored"), "{ignored:?}");
            assert!(!format!("{values:?}").contains("canary"));
        }
    }

    #[test]
    fn the_old_value_of_a_rotation_is_given_out_and_never_brought_back() {
        let stored = [("A", "new"), ("A_PREVIOUS", "old"), ("B", "b"), ("S_PREVIOUS", "x"), ("S", "s")];
        let world = World::new(&[("A", "old")], "A=old\n", &stored, &[("S", "org-s")]);
        for ci in [false, true] {
            let values = world.values(ci);
            assert_eq!(shown(&values)[..2], ["A=new from the vault", "A_PREVIOUS=old from the vault"]);
            assert_eq!(values.previous_of(&name("A_PREVIOUS")), Some(&name("A")));
            assert!(values.previous_of(&name("A")).is_none() && values.get(&name("S_PREVIOUS")).is_none());
            assert_eq!(values.ignored()[0].reason, IgnoreReason::BeforeRotation);
        }
        // Any other value is a person's wish.
        let world = World::new(&[], "A=third\n", &stored, &[]);
        assert_eq!(world.values(false).get(&name("A")).unwrap().expose(), "third");
    }

    #[test]
    fn a_job_without_the_store_learns_of_a_rotation_from_its_environment() {
        let env = [("A", "new"), ("A_PREVIOUS", "old"), ("B", "b")];
        let alone = World::new(&env, "", &[], &[]);
        assert_eq!(alone.values(true).get(&name("A_PREVIOUS")).unwrap().expose(), "old");
        assert!(alone.values(false).get(&name("A_PREVIOUS")).is_none());
        // The store says that it is over.
        let with_store = World::new(&env, "", &[("A", "new")], &[]);
        assert!(with_store.values(true).get(&name("A_PREVIOUS")).is_none());
    }
}
