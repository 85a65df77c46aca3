//! Docker's own registry in a process of its own, on a free port and an empty folder, ended with its value.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Scratch;

/// The user and the password of a guarded registry, and the line that `htpasswd -B` makes of them.
pub const USER: &str = "ci";
/// As `USER`.
pub const PASSWORD: &str = "canary-password";
const HTPASSWD: &str = "ci:$2y$04$qAlnyAbXEHskzdYiXIek8eUSQCCqA7cL9r9twqozYYLwkdKM3ITEy\n";

/// A running registry.
#[derive(Debug)]
pub struct DockerRegistry {
    child: Child,
    port: u16,
    scratch: Scratch,
}

impl DockerRegistry {
    /// A registry for everybody.
    pub fn start() -> Self {
        Self::with(|_| String::new())
    }

    /// A registry for [`USER`] alone.
    pub fn guarded() -> Self {
        Self::with(|scratch| {
            let passwords = scratch.write("htpasswd", HTPASSWD);
            format!("auth:\n  htpasswd:\n    realm: registry\n    path: {}\n", passwords.display())
        })
    }

    #[expect(clippy::disallowed_types, reason = "it runs for as long as a test does, beside it")]
    fn with(more: impl FnOnce(&Scratch) -> String) -> Self {
        let scratch = Scratch::new("docker-registry");
        // Free a moment ago: it cannot choose one itself.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("the loopback interface has a free port").port();
        let storage = scratch.join("storage");
        let config = format!(
            "version: 0.1\nlog:\n  level: error\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n  secret: not-a-secret\n{}",
            storage.display(),
            more(&scratch)
        );
        let config = scratch.write("config.yml", config);
        let log = std::fs::File::create(scratch.join("log")).expect("the scratch folder is writable");
        let mut child = std::process::Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts; it is the Debian package `docker-registry`");
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().expect("the child is ours");
            assert!(ended.is_none(), "docker-registry ended with {ended:?}");
            if begin.elapsed() > Duration::from_secs(60) {
                let _ = child.kill();
                panic!("docker-registry was not ready after a minute");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        DockerRegistry { child, port, scratch }
    }

    /// Its place, as infra.toml has it.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The requests so far, each as `METHOD /path`, in the order they were answered.
    pub fn requests(&self) -> Vec<String> {
        // A last request of our own: what came before it is in the log when it is.
        let mark = format!("/v2/?mark={}", infra_sdk::id::short().expect("the system has randomness"));
        let ask = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            write!(stream, "GET {mark} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
        };
        ask().expect("the registry answers");
        let begin = Instant::now();
        loop {
            let log = std::fs::read_to_string(self.scratch.join("log")).expect("it is ours");
            if log.contains(&mark) {
                let asked = log.lines().filter_map(|line| line.split('"').nth(1));
                let asked = asked.filter(|request| !request.contains("?mark=") && request.contains(" /v2/"));
                return asked.map(|request| request.trim_end_matches(" HTTP/1.1").to_owned()).collect();
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "the registry does not write its log");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
