//! A store in memory that behaves like one of the real kinds, counts its requests, and fails when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use infra_sdk::names::SecretName;
use infra_sdk::secrets::{
    Costs, Listing, Mark, SecretChange, SecretStore, Stamp, Stamps, StoredSecret, WriteReport, Written,
};
use infra_sdk::{Error, ErrorKind, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Values;

/// What a store is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Github,
    Ssm,
    SecretsManager,
    Worker,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Github, Kind::Ssm, Kind::SecretsManager, Kind::Worker];

    fn costs(self) -> Costs {
        let (puts, deletes, mixed, page, opening, stamps, pace) = match self {
            Kind::Github => (1, 1, false, 100, 1, Stamps::OnLook, Some(1.0)),
            Kind::Ssm => (1, 10, false, 10, 0, Stamps::OnWrite, Some(3.0)),
            Kind::SecretsManager => (1, 1, false, 100, 0, Stamps::OnWrite, Some(50.0)),
            Kind::Worker => (100, 100, true, 10_000, 0, Stamps::None, None),
        };
        Costs { puts, deletes, mixed, page, opening, stamps, pace, ..Costs::default() }
    }
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    /// From this many changes on, every write request fails.
    From(usize, fn() -> Error),
    /// The one write request after this many changes fails.
    Once(usize, fn() -> Error),
    /// The one write request that makes this change fails, having made it.
    Lost(usize, fn() -> Error),
    /// The write request after this many changes never answers, without or with having made its change.
    Dies(usize, bool),
    /// Puts of this name are refused.
    Refuses(&'static str),
    /// Looks show what was there when this was said.
    Lags,
    /// Looks fail.
    Blind(fn() -> Error),
}

/// One request, as the service counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Look,
    Opening,
    Write(Vec<String>),
}

pub(crate) struct Memory {
    kind: Kind,
    id: String,
    name: String,
    pub(crate) died: Notify,
    inner: Mutex<Inner>,
}

#[derive(Clone, Default)]
struct Inner {
    secrets: BTreeMap<String, Kept>,
    /// Secrets Manager: the value of each version that was ever made.
    versions: BTreeMap<(String, String), String>,
    clock: u64,
    opened: bool,
    faults: Vec<Fault>,
    lagging: BTreeMap<String, Kept>,
    requests: Vec<Request>,
    times: Vec<Instant>,
    /// Changes that had an effect, since the last `forget`.
    changed: Vec<String>,
}

#[derive(Clone)]
struct Kept {
    value: String,
    stamp: String,
}

impl Memory {
    pub(crate) fn new(kind: Kind) -> Arc<Self> {
        Self::named(kind, "one")
    }

    pub(crate) fn named(kind: Kind, name: &str) -> Arc<Self> {
        let scheme = format!("{kind:?}").to_lowercase();
        Arc::new(Memory {
            kind,
            id: format!("{scheme}:{name}"),
            name: format!("the {scheme} store {name}"),
            died: Notify::new(),
            inner: Mutex::default(),
        })
    }

    /// Another store in the same condition.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let copy = Self::new(self.kind);
        *copy.inner.lock().unwrap() = self.inner.lock().unwrap().clone();
        copy
    }

    /// As a new process meets it.
    pub(crate) fn open(&self) {
        self.inner.lock().unwrap().opened = false;
    }

    pub(crate) fn fault(&self, fault: Fault) {
        let mut inner = self.inner.lock().unwrap();
        inner.faults = vec![fault];
        inner.lagging = inner.secrets.clone();
    }

    pub(crate) fn requests(&self) -> usize {
        self.inner.lock().unwrap().requests.len()
    }

    pub(crate) fn writes(&self) -> usize {
        let inner = self.inner.lock().unwrap();
        inner.requests.iter().filter(|request| matches!(request, Request::Write(_))).count()
    }

    pub(crate) fn times(&self) -> Vec<Instant> {
        self.inner.lock().unwrap().times.clone()
    }

    /// The changes that had an effect since the last time, in their order.
    pub(crate) fn forget(&self) -> Vec<String> {
        let mut inner = self.inner.lock().unwrap();
        inner.requests.clear();
        inner.times.clear();
        std::mem::take(&mut inner.changed)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.inner.lock().unwrap().secrets.keys().cloned().collect()
    }

    pub(crate) fn holds(&self, values: &Values) -> bool {
        let inner = self.inner.lock().unwrap();
        values.iter().all(|(name, value)| {
            inner.secrets.get(&self.key(name)).is_some_and(|kept| kept.value == value.expose())
        })
    }

    /// Somebody else writes.
    pub(crate) fn meddle(&self, name: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.clock += 1;
        let stamp = format!("theirs-{}", inner.clock);
        inner.secrets.insert(name.to_owned(), Kept { value: "canary-theirs".into(), stamp });
    }

    /// Somebody else deletes.
    pub(crate) fn lose(&self, name: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.clock += 1;
        inner.secrets.remove(name).expect("the secret is there");
    }

    fn made(&self, inner: &mut Inner, change: &SecretChange) -> Written {
        inner.clock += 1;
        let key = self.key(change.name());
        inner.changed.push(key.clone());
        let stamp = match change {
            SecretChange::Delete { .. } => {
                inner.secrets.remove(&key);
                None
            }
            SecretChange::Put { value, token, .. } => {
                let token = token.clone().expect("every put has a token");
                let stamp = if self.kind == Kind::SecretsManager { token } else { inner.clock.to_string() };
                let again = inner.versions.insert((key.clone(), stamp.clone()), value.expose().to_owned());
                // A version that exists is not made current again.
                if again.is_none() {
                    let kept = Kept { value: value.expose().to_owned(), stamp: stamp.clone() };
                    inner.secrets.insert(key, kept);
                }
                (self.kind.costs().stamps == Stamps::OnWrite).then(|| Stamp::new(stamp))
            }
        };
        Written { name: change.name().clone(), stamp }
    }

    /// One request; all its changes or none.
    fn request(&self, changes: &[SecretChange]) -> (WriteReport, bool) {
        let mut inner = self.inner.lock().unwrap();
        let names: Vec<String> = changes.iter().map(|change| self.key(change.name())).collect();
        inner.requests.push(Request::Write(names.clone()));
        inner.times.push(Instant::now());
        let count = inner.changed.len();
        let fails = |error: Error| WriteReport { written: Vec::new(), failure: Some(error) };
        let fault = inner.faults.first().copied().unwrap_or(Fault::None);
        match fault {
            Fault::From(at, error) if count >= at => return (fails(error()), false),
            Fault::Once(at, error) if count >= at => {
                inner.faults.clear();
                return (fails(error()), false);
            }
            Fault::Lost(at, error) if count >= at => {
                inner.faults.clear();
                changes.iter().for_each(|change| drop(self.made(&mut inner, change)));
                return (fails(error()), false);
            }
            Fault::Dies(at, makes) if count >= at => {
                inner.faults.clear();
                if makes {
                    changes.iter().for_each(|change| drop(self.made(&mut inner, change)));
                }
                return (WriteReport::default(), true);
            }
            Fault::Refuses(name) if names.iter().any(|its| its == name) => {
                let error = Error::invalid("the store refuses it").with("secret", name).hint("change it");
                return (fails(error), false);
            }
            _ => {}
        }
        (WriteReport::all(changes.iter().map(|change| self.made(&mut inner, change)).collect()), false)
    }
}

#[async_trait]
impl SecretStore for Memory {
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn costs(&self) -> Costs {
        self.kind.costs()
    }

    fn key(&self, name: &SecretName) -> String {
        if self.kind == Kind::Github { name.as_str().to_ascii_uppercase() } else { name.to_string() }
    }

    fn check(&self, change: &SecretChange) -> Result<()> {
        SecretChange::check_batch(std::slice::from_ref(change))?;
        if change.name().as_str().starts_with("GITHUB_") {
            return Err(Error::invalid("the name is reserved")
                .with("secret", change.name())
                .hint("rename it"));
        }
        Ok(())
    }

    async fn look(&self, since: Option<&Mark>) -> Result<Listing> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut inner = self.inner.lock().unwrap();
        if let Some(Fault::Blind(error)) = inner.faults.first() {
            let error = error();
            inner.requests.push(Request::Look);
            return Err(error);
        }
        let mark = (self.kind == Kind::Github).then(|| Mark::new(inner.clock.to_string()));
        if since.is_some() && since == mark.as_ref() {
            inner.requests.push(Request::Look);
            return Ok(Listing::Unchanged);
        }
        for _ in 0..inner.secrets.len().div_ceil(self.costs().page).max(1) {
            inner.requests.push(Request::Look);
        }
        let lags = matches!(inner.faults.first(), Some(Fault::Lags));
        let secrets = if lags { &inner.lagging } else { &inner.secrets };
        let secrets = secrets.iter().map(|(name, kept)| {
            let stamp = (self.kind != Kind::Worker).then(|| Stamp::new(&kept.stamp));
            StoredSecret { name: name.parse().unwrap(), stamp, updated: None }
        });
        Ok(Listing::Now { secrets: secrets.collect(), mark })
    }

    async fn write(&self, changes: &[SecretChange]) -> Result<WriteReport> {
        let costs = self.costs();
        let puts = changes.iter().filter(|change| matches!(change, SecretChange::Put { .. })).count();
        let deletes = changes.len() - puts;
        assert!(!changes.is_empty() && puts <= costs.puts && deletes <= costs.deletes, "one request's worth");
        assert!(costs.mixed || puts == 0 || deletes == 0, "one request's worth");
        assert_eq!(changes.iter().map(SecretChange::name).collect::<BTreeSet<_>>().len(), changes.len());
        {
            let mut inner = self.inner.lock().unwrap();
            if puts > 0 && costs.opening > 0 && !std::mem::replace(&mut inner.opened, true) {
                inner.requests.push(Request::Opening);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (report, dies) = self.request(changes);
        if dies {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        match report.failure {
            // A request that was wrong as a whole is an error of the call.
            Some(failure) if failure.kind() == ErrorKind::Denied => Err(failure),
            _ => Ok(report),
        }
    }
}
