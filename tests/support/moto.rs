//! An emulator of AWS, moto, in a process of its own: started once, shared by the tests that run, ended with the last.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, Weak};

use crate::checkout::repo;
use crate::recorder::{Answer, Request, locked};
use crate::run::Run;

/// Serves on a port of the system's choice, and ends with the process that started it, however that ends.
///
/// Requests are answered one after the other: AWS answers each from one state of its data, while moto, asked by two at once,
/// trips over what the other changes and answers 500.
const SERVE: &str = "
import os, sys, threading
from moto import server
def watch():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
lock, serve = threading.Lock(), server.run_simple
def in_turn(app):
    def answer(environ, start):
        with lock:
            return list(app(environ, start))
    return answer
server.run_simple = lambda host, port, app, **more: serve(host, port, in_turn(app), **more)
server.main(['-H', '127.0.0.1', '-p', '0'])
";

/// The headers of an answer that its reader needs.
const HEADERS: [&str; 5] = ["content-type", "date", "etag", "last-modified", "x-amz-meta-infra-sdk-writer"];

/// A running emulator.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    address: String,
}

impl Moto {
    /// The emulator of this test process. What tests keep there must not have the same names.
    pub fn shared() -> Arc<Moto> {
        static RUNNING: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        let mut running = locked(&RUNNING);
        running.upgrade().unwrap_or_else(|| {
            let moto = Arc::new(Moto::start());
            *running = Arc::downgrade(&moto);
            moto
        })
    }

    #[expect(clippy::disallowed_types, reason = "it runs for as long as tests do, beside them")]
    fn start() -> Self {
        let mut child = std::process::Command::new(python())
            .args(["-u", "-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut all = String::new();
        let address = loop {
            let mut line = String::new();
            let read = said.read_line(&mut line).expect("its output can be read");
            assert!(read > 0, "moto did not start; run `cargo xtask provision`\n{all}");
            if let Some((_, address)) = line.split_once("Running on http://") {
                break address.trim().to_owned();
            }
            all.push_str(&line);
        };
        // It tells of every request; a full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Moto { child, address }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers to a request that came somewhere else.
    pub fn answer(&self, request: &Request) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        let Request { method, path, query, .. } = request;
        let mark = if query.is_empty() { "" } else { "?" };
        write!(
            stream,
            "{method} {path}{mark}{query} HTTP/1.0\r\ncontent-length: {}\r\n",
            request.body.len()
        )?;
        for (name, value) in request.headers.iter().filter(|(name, _)| name != "content-length") {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(&request.body)?;
        let mut whole = String::new();
        stream.read_to_string(&mut whole)?;
        let (head, body) = whole.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other("no head"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(500);
        let header = |wanted: &&'static str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut values = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            values.next().map(|(_, value)| (*wanted, value.trim().to_owned()))
        };
        Ok(Answer::Whole(status, HEADERS.iter().filter_map(header).collect(), body.to_owned()))
    }

    /// Runs a program against it that uses boto3 as `client(service)`, and gives what it prints.
    pub fn python(&self, script: &str) -> String {
        let start = "import boto3, json\nclient = lambda name: boto3.client(name)\n";
        let finished = Run::new(python(), &repo())
            .args(["-c", &format!("{start}{script}")])
            .env("AWS_ENDPOINT_URL", self.url())
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .reveals()
            .finish()
            .expect(0);
        finished.stdout.trim().to_owned()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python() -> PathBuf {
    let bin = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python3" };
    let python = repo().join("target/tools/python").join(bin);
    assert!(python.exists(), "{} is missing; run `cargo xtask provision`", python.display());
    python
}
