//! The NATS server beside an app that is worked on: where it comes from, and when it is there.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Provider;
use crate::env::{NATS_CONTEXT, NATS_URL};
use crate::error::{Error, Result};
use crate::infra::open::Infra;
use crate::process::Cmd;
use crate::tools;

/// The program, as it is found on `PATH` and pinned in `[tools]`.
const PROGRAM: &str = "nats-server";

/// The oldest server whose JetStream has all that events and runs need.
const OLDEST: (u64, u64) = (2, 11);

/// How long one look at the server may take.
const LOOK: Duration = Duration::from_millis(500);

/// The longest greeting that is read.
const LONGEST: u64 = 64 * 1024;

/// A server that is to be started.
#[derive(Clone, Debug, Serialize)]
pub struct DevServer {
    /// The program.
    pub program: PathBuf,
    /// Its version; `unknown` when it does not say.
    pub version: String,
    /// Where its streams are kept from run to run.
    pub store: PathBuf,
}

/// What a server says of itself to everybody who connects.
#[derive(Debug, Deserialize)]
pub(super) struct Greeting {
    pub(super) version: String,
    #[serde(default)]
    jetstream: bool,
}

impl Infra {
    /// The server of this repo's own, where it wants one.
    ///
    /// # Errors
    /// `NotFound` when the program is not there.
    pub(super) async fn dev_server(&self) -> Result<Option<DevServer>> {
        if !self.wants_server()? {
            return Ok(None);
        }
        let pinned = self.settings().tools.get(PROGRAM).map(|tool| tool.version.as_str());
        let found = tools::find(PROGRAM, pinned, self.env(), self.home().root()).await?;
        let found = found.ok_or_else(|| {
            let error = Error::not_found("this repo wants a NATS server, and `nats-server` is not there");
            let error = match pinned {
                Some(_) => error.hint("run `cargo xtask infra:tools:install`"),
                None => error.hint("pin it in infra.toml: `[tools.nats-server] version = \"2.15.1\"`, then run `cargo xtask infra:tools:install`"),
            };
            error
                .hint("or install it and put it on PATH (https://github.com/nats-io/nats-server/releases)")
                .hint("or set `nats = false` under `[dev]`")
        })?;
        if let Some(wanted) = pinned.filter(|wanted| *wanted != found.version) {
            self.host().tell(&format!(
                "warning: nats-server {wanted} is pinned, and {} at {} is used; `infra:tools:install` fetches the pinned one",
                found.version,
                found.path.display()
            ));
        }
        Ok(Some(DevServer {
            program: found.path,
            version: found.version,
            store: self.home().dev().join("nats"),
        }))
    }

    /// `nats` of `[dev]` decides; else an environment on this machine that names no server has one of its own.
    fn wants_server(&self) -> Result<bool> {
        if let Some(wanted) = self.settings().dev.nats {
            return Ok(wanted);
        }
        let section = self.config().section()?;
        let unnamed = section.nats.as_ref().is_some_and(|nats| nats.url.is_none() && nats.context.is_none());
        let elsewhere = [NATS_URL, NATS_CONTEXT].iter().any(|name| self.env().get(name).is_some());
        Ok(unnamed && section.provider == Provider::Local && !elsewhere)
    }
}

impl DevServer {
    /// The command that serves on this machine alone, with JetStream.
    pub(super) fn command(&self, start: impl FnOnce(&Path) -> Cmd, port: u16) -> Cmd {
        start(&self.program)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--logtime=false"])
            .arg("--store_dir")
            .arg(&self.store)
    }
}

/// What the server on this port of this machine greets with; `None` while there is none.
pub(super) fn greeting(port: u16) -> Option<Greeting> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, LOOK).ok()?;
    stream.set_read_timeout(Some(LOOK)).ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line).ok()?;
    serde_json::from_str(line.strip_prefix("INFO ")?.trim_end()).ok()
}

impl Greeting {
    /// What this crate's own tasks could not do with it.
    pub(super) fn warning(&self) -> Option<String> {
        let mut parts = self.version.split('.').map_while(|part| part.parse::<u64>().ok());
        let version = parts.next().zip(parts.next());
        let (major, minor) = OLDEST;
        if version.is_some_and(|version| version < OLDEST) {
            return Some(format!(
                "nats-server {} is older than {major}.{minor}, which events and runs need",
                self.version
            ));
        }
        (!self.jetstream).then(|| format!("nats-server {} runs without JetStream", self.version))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    fn greeted(text: &'static [u8]) -> Option<Greeting> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(text).unwrap());
        let greeting = greeting(port);
        server.join().unwrap();
        greeting
    }

    #[test]
    fn only_a_server_of_nats_greets() {
        let good = greeted(b"INFO {\"version\":\"2.15.1\",\"jetstream\":true} \r\n").unwrap();
        assert_eq!((good.version.as_str(), good.warning()), ("2.15.1", None));
        let old = greeted(b"INFO {\"version\":\"2.9.10\",\"jetstream\":true}\r\n").unwrap();
        assert!(old.warning().unwrap().contains("older than 2.11"));
        let plain = greeted(b"INFO {\"version\":\"2.15.1\"}\r\n").unwrap();
        assert!(plain.warning().unwrap().contains("without JetStream"));
        for other in [&b"SSH-2.0-x\r\n"[..], b"INFO nothing\r\n", b""] {
            assert!(greeted(other).is_none());
        }
    }
}
