//! Prism between a client and its counterpart: holds both against a published description.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::service::{Reply, Request, Service};
use crate::tool;

/// A running `prism proxy --errors`; ends with its value. Panics then if anything violated the description.
#[derive(Debug)]
pub struct Prism {
    child: Child,
    front: Service,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    violations: Vec<String>,
}

impl Prism {
    /// Puts Prism with this description, a file of `tests/fixtures`, before the service at `upstream`.
    #[expect(clippy::disallowed_types, reason = "tests look at a program from outside")]
    pub fn before(upstream: &str, description: &str) -> Prism {
        let description = crate::repo().join("tests/fixtures").join(description);
        // Free a moment ago. Prism cannot choose one itself.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("the loopback interface has a free port").port();
        let mut child = std::process::Command::new(tool("node/node"))
            .arg(tool("node/node_modules/.bin/prism"))
            .args(["proxy", "-h", "127.0.0.1", "-p", &port.to_string(), "--errors"])
            .arg(&description)
            .arg(upstream)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("node starts");
        wait_until_it_listens(&mut child, port, &description);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        let front = Service::start(move |request| {
            let answer = forward(request, port);
            let head = String::from_utf8_lossy(&answer).into_owned();
            let head = head.split("\r\n\r\n").next().unwrap_or_default();
            let mut seen = noted.lock().expect("no other holder panics");
            seen.requests += 1;
            for line in head.lines().filter(|line| line.to_ascii_lowercase().starts_with("sl-violations:")) {
                seen.violations.push(format!("{} {}: {line}", request.method, request.path));
            }
            Reply::Raw(answer)
        });
        Prism { child, front, seen }
    }

    /// Where a client reaches the service through Prism.
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// How many requests went through.
    pub fn requests(&self) -> usize {
        self.seen.lock().expect("no other holder panics").requests
    }

    /// What violated the description so far, and is now accounted for.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("no other holder panics").violations)
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let violations = self.take_violations();
        assert!(
            violations.is_empty() || std::thread::panicking(),
            "against the description: {}",
            violations.join("\n")
        );
    }
}

fn wait_until_it_listens(child: &mut Child, port: u16, description: &Path) {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().expect("the child is ours");
        assert!(ended.is_none(), "prism ended over {}: {ended:?}", description.display());
        if begin.elapsed() > Duration::from_secs(120) {
            let _ = child.kill();
            panic!("prism was not ready after two minutes");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The request once more, on a connection of its own, and everything that came back.
fn forward(request: &Request, port: u16) -> Vec<u8> {
    let mut head = format!("{} {}", request.method, request.path);
    let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !query.is_empty() {
        head.push_str(&format!("?{}", query.join("&")));
    }
    head.push_str(" HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("prism listens");
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("prism reads");
    stream.write_all(&request.body).expect("prism reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("prism answers");
    answer
}
