//! Real NATS servers in processes of their own: alone, as a cluster, with users by JWT, and old ones.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::{NatsAccount, Scratch, tool};

/// The one that most tests run against.
pub const NATS_SERVER: &str = "2.15.1";
/// The least that the crate works with.
pub const LEAST_NATS_SERVER: &str = "2.11.11";
/// The last one that is too old: it has no markers of limits.
pub const OLD_NATS_SERVER: &str = "2.10.26";
/// Debian 12's, whose JetStream answers the client library cannot read at all.
pub const DEBIAN_NATS_SERVER: &str = "2.9.10";

/// JetStream with its store where a server's files lie.
const JETSTREAM: &str = "jetstream { store_dir: \"{store}\" }";
/// How long a server may take to be ready; it takes a few hundredths of a second.
const READY: Duration = Duration::from_secs(30);

/// A running server, killed with its value. Its ports stay the same when it is started again.
#[derive(Debug)]
pub struct NatsServer {
    child: Option<Child>,
    program: PathBuf,
    port: u16,
    http: u16,
    scratch: Scratch,
}

impl NatsServer {
    /// A server with JetStream, without users.
    pub fn start() -> Self {
        Self::start_with(JETSTREAM)
    }

    /// A server with this configuration beside its ports. `{store}` is a folder of its own; without a `jetstream` block
    /// there is no JetStream.
    pub fn start_with(config: &str) -> Self {
        Self::start_version(NATS_SERVER, config)
    }

    /// The same of another version: one of those that are provisioned.
    pub fn start_version(version: &str, config: &str) -> Self {
        // A port that was free a moment ago may be taken by now.
        for _ in 0..5 {
            let mut server = Self::prepare(version, config);
            if server.launch() {
                server.wait_until_ready();
                return server;
            }
        }
        panic!("nats-server finds no free port");
    }

    /// A plain server of another version, with JetStream.
    pub fn version(version: &str) -> Self {
        Self::start_version(version, JETSTREAM)
    }

    /// So many servers with one JetStream, on the loopback interface, with a leader.
    pub fn cluster(size: usize) -> Vec<Self> {
        let routes: Vec<u16> = (0..size).map(|_| free_port()).collect();
        let all: Vec<String> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut servers: Vec<Self> = routes
            .iter()
            .enumerate()
            .map(|(at, port)| {
                Self::prepare(
                    NATS_SERVER,
                    &format!(
                        "server_name: n{at}\n{JETSTREAM}\n\
                         cluster {{ name: trio, listen: \"127.0.0.1:{port}\", routes: [{}] }}",
                        all.join(", ")
                    ),
                )
            })
            .collect();
        for server in &mut servers {
            assert!(server.launch(), "a port of the cluster was taken: {}", server.log());
        }
        let began = Instant::now();
        let elected = |server: &Self| {
            let meta = &server.monitor("/jsz")["meta_cluster"];
            meta["leader"].is_string() && meta["cluster_size"] == size
        };
        // A leader that is known may not be reached yet: what counts is an answer, whichever server is asked.
        while !servers.iter().all(|server| elected(server) && server.answers()) {
            assert!(began.elapsed() < READY, "the cluster has no leader: {}", servers[0].log());
            std::thread::sleep(Duration::from_millis(10));
        }
        servers
    }

    /// A hub whose JetStream is the domain `hub`, and a leaf of it whose own is the domain `leaf`.
    pub fn hub_and_leaf() -> (Self, Self) {
        let domain = |name: &str| format!("jetstream {{ store_dir: \"{{store}}\", domain: {name} }}");
        for _ in 0..5 {
            let port = free_port();
            let hub = format!("{}\nleafnodes {{ listen: \"127.0.0.1:{port}\" }}", domain("hub"));
            let mut hub = Self::prepare(NATS_SERVER, &hub);
            if !hub.launch() {
                continue;
            }
            hub.wait_until_ready();
            let remote = format!("leafnodes {{ remotes: [{{ url: \"nats://127.0.0.1:{port}\" }}] }}");
            let leaf = Self::start_with(&format!("server_name: leaf\n{}\n{remote}", domain("leaf")));
            let began = Instant::now();
            while leaf.monitor("/leafz")["leafnodes"] != 1 {
                assert!(began.elapsed() < READY, "the leaf finds no hub: {}", leaf.log());
                std::thread::sleep(Duration::from_millis(5));
            }
            return (hub, leaf);
        }
        panic!("nats-server finds no free port");
    }

    /// A server with users by JWT, as Synadia Cloud has them, and one account with these limits of JetStream (`streams`,
    /// `consumer`, `mem_storage`, `disk_storage`, -1 for none), whose users the second value makes.
    pub fn operator(limits: &serde_json::Value) -> (Self, NatsAccount) {
        let (account, config) = NatsAccount::with(limits);
        (Self::start_with(&format!("{JETSTREAM}\n{config}")), account)
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it tells of itself: `http://127.0.0.1:PORT`.
    pub fn monitoring(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Its files: configuration, log, store.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.join("log")).unwrap_or_default()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same ports and the same store; kills it before, if it runs.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "its port was taken meanwhile: {}", self.log());
        self.wait_until_ready();
    }

    /// Starts it again without waiting for anything: for one of a cluster without a majority.
    pub fn relaunch(&mut self) {
        self.kill();
        assert!(self.launch(), "its port was taken meanwhile: {}", self.log());
    }

    /// What it tells of itself at a path such as `/varz`; null while it does not answer.
    pub fn monitor(&self, path: &str) -> serde_json::Value {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.http))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
            let mut whole = String::new();
            stream.read_to_string(&mut whole)?;
            Ok(whole)
        };
        let whole = ask().unwrap_or_default();
        let body = whole.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Whether JetStream answers who is connected here, without users.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(
                b"CONNECT {\"verbose\":false}\r\nSUB ready 1\r\nPUB $JS.API.STREAM.INFO.none ready 0\r\n\r\n",
            )?;
            let mut said = Vec::new();
            let mut piece = [0; 4096];
            loop {
                let count = stream.read(&mut piece)?;
                said.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&said);
                if count == 0 || text.contains("stream_info_response") {
                    return Ok(text.contains("stream not found"));
                }
            }
        };
        ask().unwrap_or(false)
    }

    fn prepare(version: &str, config: &str) -> Self {
        let program = match version {
            DEBIAN_NATS_SERVER => format!("nats-server-{version}/usr/sbin/nats-server"),
            _ => format!("nats-server-{version}/bin/nats-server{}", std::env::consts::EXE_SUFFIX),
        };
        let scratch = Scratch::new("nats");
        let (port, http) = (free_port(), free_port());
        let config =
            config.replace("{store}", &scratch.join("store").display().to_string().replace('\\', "/"));
        scratch.write(
            "nats.conf",
            format!("listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{http}\"\n{config}\n"),
        );
        NatsServer { child: None, program: tool(&program), port, http, scratch }
    }

    /// Starts it; `false` when a port is taken.
    #[expect(clippy::disallowed_types, reason = "it runs for as long as a test does, beside it")]
    fn launch(&mut self) -> bool {
        let log = std::fs::File::create(self.scratch.join("log")).expect("the scratch folder is writable");
        let child = std::process::Command::new(&self.program)
            .arg("-c")
            .arg(self.scratch.join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server starts");
        self.child = Some(child);
        let began = Instant::now();
        loop {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if self.has_ended() {
                let log = self.log();
                assert!(log.contains("address already in use"), "nats-server ended: {log}");
                return false;
            }
            assert!(began.elapsed() < READY, "nats-server does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("the child is ours").is_some())
    }

    fn wait_until_ready(&mut self) {
        let began = Instant::now();
        while self.monitor("/healthz")["status"] != "ok" {
            assert!(!self.has_ended(), "nats-server ended: {}", self.log());
            assert!(began.elapsed() < READY, "nats-server is not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free now and that the system gives to nobody by itself (Linux does from 32768 on), so that a server that
/// is started again gets it again.
fn free_port() -> u16 {
    const FIRST: u16 = 14_000;
    const COUNT: u16 = 18_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different ones.
    let begin = u16::try_from(std::process::id().wrapping_mul(61) % u32::from(COUNT)).unwrap_or_default();
    loop {
        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(begin) + u32::from(at)).rem_euclid(u32::from(COUNT)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
