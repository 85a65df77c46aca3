//! The registry as tests have it: started on a free port, looked at, changed while it runs.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::rules::Rules;
use super::state::State;
use super::wire;
use crate::recorder::locked;

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Such as `HEAD`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// What stands behind the `?`, decoded.
    pub query: Vec<(String, String)>,
    /// How many bytes came with it.
    pub bytes: u64,
    /// Whether it said who asks.
    pub authorised: bool,
    /// What it was answered with; 0 when the connection was broken instead.
    pub status: u16,
}

/// A running registry. At its end it fails the test if a request was made that the protocol does not know.
pub struct Registry {
    address: SocketAddr,
    storage: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Registry {
    /// Starts it.
    pub fn start(rules: Rules) -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let (front, back) = (bind(), bind());
        let address = front.local_addr().expect("it is bound");
        let storage = back.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::new(rules, address, storage)));
        let ended = Arc::new(AtomicBool::new(false));
        for (listener, is_storage) in [(front, false), (back, true)] {
            let (state, ended) = (state.clone(), ended.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let state = state.clone();
                    // A client that hangs up in the middle is the client's affair.
                    std::thread::spawn(move || wire::serve(stream, &state, is_storage).ok());
                }
            });
        }
        Registry { address, storage, state, ended }
    }

    /// Its place, as infra.toml has it.
    pub fn place(&self) -> String {
        self.address.to_string()
    }

    /// Changes how it behaves from now on.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut locked(&self.state).rules);
    }

    /// The requests since the last call, in the order they were answered.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut locked(&self.state).asked)
    }

    /// Whether a blob is there.
    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        locked(&self.state).blobs.contains_key(&(repository.to_owned(), digest.to_owned()))
    }

    /// What a tag points at.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        locked(&self.state).tags.get(&(repository.to_owned(), tag.to_owned())).cloned()
    }

    /// Whether a manifest is there.
    pub fn has_manifest(&self, repository: &str, digest: &str) -> bool {
        locked(&self.state).manifests.contains_key(&(repository.to_owned(), digest.to_owned()))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the threads that accept, which then see the end.
        drop((TcpStream::connect(self.address), TcpStream::connect(self.storage)));
        let wrong = std::mem::take(&mut locked(&self.state).wrong);
        assert!(wrong.is_empty() || std::thread::panicking(), "against the protocol: {}", wrong.join("; "));
    }
}
