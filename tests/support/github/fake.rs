//! The fake itself: what tests set up, and what they ask it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use crate::github::Trouble;
use crate::nacl::{KeyPair, open_sealed};
use crate::service::{Reply, Request, Service};

/// A stateful stand-in for GitHub's API of secrets, on the loopback interface.
///
/// Places are called by what stands before the list of their secrets: `repos/acme/shop-api/actions/secrets`,
/// `repos/acme/shop-api/environments/staging/secrets`, `orgs/acme/actions/secrets`. Its clock goes on by one second
/// with each write, so that each has a time of its own. A request that GitHub's documentation does not have is answered
/// by 418 and fails the test when the fake is dropped.
#[derive(Debug)]
pub struct FakeGithub {
    service: Service,
    state: Arc<Mutex<State>>,
}

/// A request that came, and what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `PUT` or `DELETE`.
    pub method: String,
    /// The path with its first slash.
    pub path: String,
    /// The status it was answered with; `None` if there was no whole answer.
    pub status: Option<u16>,
    /// When it came.
    pub at: Instant,
}

impl Seen {
    /// Whether it was to change something.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) places: BTreeMap<String, BTreeMap<String, Kept>>,
    pub(super) repositories: BTreeMap<String, u64>,
    pub(super) keys: Vec<(String, KeyPair)>,
    /// How many writes there were: the clock.
    pub(super) writes: u64,
    trouble: Option<Trouble>,
    seen: Vec<Seen>,
    pub(super) unexpected: Vec<String>,
    in_flight: usize,
    peak: usize,
}

/// A secret as the fake keeps it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) created: String,
    pub(super) updated: String,
    pub(super) key_id: String,
    pub(super) sealed: String,
    pub(super) visibility: Option<String>,
    pub(super) repositories: BTreeSet<u64>,
}

impl FakeGithub {
    /// The only token it knows.
    pub const TOKEN: &str = "canary-token-4f7a";

    /// Starts it, with a first key and one to rotate to, and nothing else.
    pub fn start() -> FakeGithub {
        let keys =
            KeyPair::make(2).into_iter().enumerate().map(|(number, pair)| (format!("5683{number}"), pair));
        let state = Arc::new(Mutex::new(State { keys: keys.collect(), ..State::default() }));
        let shared = state.clone();
        let service = Service::start(move |request| answer(&shared, request));
        FakeGithub { service, state }
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        self.service.url()
    }

    /// Adds a repository `OWNER/NAME`, with its number.
    pub fn add_repository(&self, name: &str, id: u64) {
        let mut state = self.state();
        state.repositories.insert(name.to_lowercase(), id);
        state.places.entry(format!("repos/{name}/actions/secrets")).or_default();
    }

    /// Adds an environment to a repository.
    pub fn add_environment(&self, repository: &str, environment: &str) {
        let place = format!("repos/{repository}/environments/{environment}/secrets");
        self.state().places.entry(place).or_default();
    }

    /// Adds an organisation.
    pub fn add_organisation(&self, name: &str) {
        self.state().places.entry(format!("orgs/{name}/actions/secrets")).or_default();
    }

    /// From now on requests fail like this; replaces what was set before.
    pub fn trouble(&self, trouble: Trouble) {
        self.state().trouble = Some(trouble);
    }

    /// From now on nothing fails.
    pub fn recover(&self) {
        self.state().trouble = None;
    }

    /// Replaces the public key: what is sealed for the old one is refused by 422.
    pub fn rotate_key(&self) {
        self.state().keys.rotate_left(1);
    }

    /// Somebody else writes a secret: its time moves, its value is unknown to all.
    pub fn touch(&self, place: &str, name: &str) {
        let mut state = self.state();
        let now = state.tick();
        let kept = state.places.get_mut(place).and_then(|place| place.get_mut(name));
        kept.expect("the secret is there").updated = now;
    }

    /// Somebody else adds a secret that nobody here can open; for an organisation, with who may use it.
    pub fn add(&self, place: &str, name: &str, visibility: Option<&str>, repositories: &[u64]) {
        let mut state = self.state();
        let now = state.tick();
        let kept = Kept {
            created: now.clone(),
            updated: now,
            key_id: String::new(),
            sealed: String::new(),
            visibility: visibility.map(str::to_owned),
            repositories: repositories.iter().copied().collect(),
        };
        state.places.get_mut(place).expect("the place is there").insert(name.to_owned(), kept);
    }

    /// Somebody else removes a secret.
    pub fn remove(&self, place: &str, name: &str) {
        let removed = self.state().places.get_mut(place).and_then(|place| place.remove(name));
        assert!(removed.is_some(), "{name} is not at {place}");
    }

    /// Who may use an organisation's secret: its visibility, and the numbers of the selected repositories.
    pub fn audience(&self, place: &str, name: &str) -> (String, Vec<u64>) {
        let state = self.state();
        let kept = state.places.get(place).and_then(|place| place.get(name)).expect("the secret is there");
        (kept.visibility.clone().unwrap_or_default(), kept.repositories.iter().copied().collect())
    }

    /// The names at a place.
    pub fn names(&self, place: &str) -> Vec<String> {
        self.state().places.get(place).expect("the place is there").keys().cloned().collect()
    }

    /// The values at a place, opened by libsodium; those that somebody else added are left out.
    pub fn values(&self, place: &str) -> BTreeMap<String, String> {
        let (names, boxes): (Vec<String>, Vec<(String, String)>) = {
            let state = self.state();
            let key = |id: &str| state.keys.iter().find(|(known, _)| known == id);
            let kept = state.places.get(place).expect("the place is there").iter();
            kept.filter_map(|(name, kept)| {
                Some((name.clone(), (key(&kept.key_id)?.1.private.clone(), kept.sealed.clone())))
            })
            .unzip()
        };
        names.into_iter().zip(open_sealed(&boxes)).collect()
    }

    /// The sealed boxes at a place, as they were sent.
    pub fn sealed(&self, place: &str) -> BTreeMap<String, String> {
        let state = self.state();
        let kept = state.places.get(place).expect("the place is there").iter();
        kept.map(|(name, kept)| (name.clone(), kept.sealed.clone())).collect()
    }

    /// The requests since the start, or since they were taken last.
    pub fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().seen)
    }

    /// The most requests that were there at the same time.
    pub fn peak(&self) -> usize {
        self.state().peak
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no other holder panics")
    }
}

impl Drop for FakeGithub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let unexpected = std::mem::take(&mut self.state().unexpected);
        assert!(unexpected.is_empty(), "GitHub has no such requests: {}", unexpected.join("; "));
    }
}

impl State {
    /// The time of the next write.
    pub(super) fn tick(&mut self) -> String {
        self.writes += 1;
        let start = Duration::from_secs(1_790_000_000);
        let now = SystemTime::UNIX_EPOCH + start + Duration::from_secs(self.writes);
        infra_sdk::time::Timestamp::from(now).to_string().replace(".000Z", "Z")
    }
}

fn answer(shared: &Mutex<State>, request: &Request) -> Reply {
    let at = Instant::now();
    let lock = || shared.lock().expect("no other holder panics");
    {
        let mut state = lock();
        state.in_flight += 1;
        state.peak = state.peak.max(state.in_flight);
    }
    // Long enough for another request to be seen beside this one.
    std::thread::sleep(Duration::from_millis(1));
    let mut state = lock();
    let is_write = request.method != "GET";
    let fault = state.trouble.as_mut().and_then(|trouble| trouble.strikes(is_write));
    let reply = match fault {
        Some(fault) => {
            if fault.writes() {
                state.answer(request);
            }
            fault.reply()
        }
        None => state.answer(request),
    };
    let (method, path) = (request.method.clone(), request.path.clone());
    state.seen.push(Seen { method, path, status: reply.status(), at });
    state.in_flight -= 1;
    reply
}
