//! Working on a project: its server and its programs, with references and secrets, until one of them ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::{Commands, Kind};
use crate::env::{
    NATS_CA, NATS_CERT, NATS_CONTEXT, NATS_CREDS, NATS_KEY, NATS_NKEY, NATS_PASSWORD, NATS_TOKEN, NATS_URL,
    NATS_USER,
};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access};
use crate::infra::dev_nats::DevServer;
use crate::infra::dev_run::{Named, Running, SERVER, tell_health};
use crate::infra::dev_session::{GRACE, Ports, Session};
use crate::infra::open::Infra;
use crate::names::{Label, SecretName};
use crate::process::Cmd;
use crate::refs;
use crate::secret::SecretValue;

/// Who asks elsewhere; a server of one's own asks nobody who they are.
const ELSEWHERE: [&str; 9] =
    [NATS_CONTEXT, NATS_CREDS, NATS_NKEY, NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CA, NATS_CERT, NATS_KEY];

/// How long an app may take to be healthy before that is told, where `[deploy]` does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// What [`Infra::run_dev`] will start.
#[derive(Clone, Debug, Serialize)]
pub struct DevPlan {
    /// The NATS server, where this repo has one of its own.
    pub nats: Option<DevServer>,
    /// The programs with their arguments, by name.
    pub programs: BTreeMap<Label, Vec<String>>,
    /// The variables they get beside those of this process, secret ones included; never a value.
    pub variables: BTreeSet<String>,
    /// The port that is asked for; without one a free one is chosen.
    pub port: Option<u16>,
    /// The path that says whether the app is healthy; empty when there is none.
    pub health: String,
    #[serde(skip)]
    plain: BTreeMap<String, String>,
    #[serde(skip)]
    secret: BTreeMap<SecretName, SecretValue>,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub struct DevReport {
    /// The program that ended first, with success.
    pub ended: String,
}

impl fmt::Display for DevPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.nats {
            let (program, store) = (server.program.display(), server.store.display());
            writeln!(f, "start {SERVER}: {program} {}, its streams in {store}", server.version)?;
        }
        for (name, words) in &self.programs {
            writeln!(f, "start {name}: {}", words.join(" "))?;
        }
        let names: Vec<&str> = self.variables.iter().map(String::as_str).collect();
        write!(f, "with {}", names.join(", "))
    }
}

impl fmt::Display for DevReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended, and everything with it", self.ended)
    }
}

impl Infra {
    /// What working on this project starts: `[dev]`, with this environment's references and secrets. A reference that is
    /// not there yet is a warning, since it may take another repo to publish it.
    ///
    /// # Errors
    /// `NotFound` when there is nothing to start, when a secret has no value, or when the NATS server is not there.
    pub async fn plan_dev(&self) -> Result<DevPlan> {
        let programs = self.settings().dev.run.0.clone();
        let nats = self.dev_server().await?;
        if programs.is_empty() && nats.is_none() {
            return Err(Error::not_found("infra.toml does not say what `infra:dev` runs").hint(
                "add `[dev]` with `run = [\"cargo\", \"run\"]`, or with `nats = true` for a server alone",
            ));
        }
        self.tell_missing_references().await?;
        let references = refs::variables(&*self.ports().params, &self.settings().refs).await?;
        let mut secret = self.needed_values().await?;
        for (name, value) in references.secret {
            secret.entry(SecretName::new(name)?).or_insert(value);
        }
        secret.values().for_each(|value| self.host().learn(value));
        let mut plain = references.plain;
        plain.retain(|name, _| !secret.contains_key(name.as_str()));
        if let Some(url) = self.named_server()?.filter(|_| nats.is_none()) {
            plain.insert(NATS_URL.into(), url);
        }
        let mut variables: BTreeSet<String> = plain.keys().cloned().collect();
        variables.extend(secret.keys().map(SecretName::to_string));
        variables.extend(nats.iter().map(|_| NATS_URL.to_owned()));
        let serves = self.settings().project.kind != Kind::Cli && programs.contains_key(Commands::APP);
        if serves {
            variables.insert("PORT".into());
        }
        let deploy = &self.settings().deploy;
        let health = if serves { deploy.health.clone() } else { String::new() };
        Ok(DevPlan { nats, programs, variables, port: deploy.port.filter(|_| serves), health, plain, secret })
    }

    /// Starts what was planned, and waits until one of the programs ends or the host is cancelled; then all of them are
    /// ended: asked, and killed after a grace, with their whole groups, the server last. On Linux nothing is left either
    /// when this process is killed: a second process of the same program sees to it, which calls
    /// [`supervise_if_asked`](Infra::supervise_if_asked) first thing.
    ///
    /// # Errors
    /// What a failing program failed with, asking for its exit code; `Locked` when this project runs already; `Conflict`
    /// naming a port that is taken; `Unavailable` when the server ended; `Cancelled`.
    pub async fn run_dev(&self, plan: DevPlan) -> Result<DevReport> {
        let host = self.host();
        let folder = self.home().dev();
        file::make_dir(&folder, Access::Private)?;
        let (session, left) = Session::begin(&folder).await?;
        if left > 0 {
            host.tell(&format!("ended what an earlier run left running: {left}"));
        }
        let (port, nats_port) =
            session.ports(Ports { app: plan.port, nats: self.settings().dev.nats_port })?;
        session.start_guard(self.env())?;
        // The apps, then the server, then what they left behind.
        host.needs_grace(GRACE * 3 + Duration::from_secs(2));
        let mut running = Running::new(host);
        let result = self.start_and_wait(&plan, &session, &mut running, (port, nats_port)).await;
        running.end().await;
        let cleaned = session.end_stragglers().await;
        let ended = result?;
        cleaned?;
        Ok(DevReport { ended })
    }

    async fn start_and_wait(
        &self,
        plan: &DevPlan,
        session: &Session,
        running: &mut Running<'_>,
        (port, nats_port): (u16, u16),
    ) -> Result<String> {
        let host = self.host();
        let width =
            plan.programs.keys().map(|name| name.as_str().len()).chain([SERVER.len()]).max().unwrap_or(0);
        let named = |name: &str, cmd: Cmd| {
            let sink = Named { prefix: format!("{name:<width$} │"), lines: host.lines.clone() };
            session.mark(cmd.dir(self.config().root())).sink(std::sync::Arc::new(sink))
        };
        let mut url = None;
        if let Some(server) = &plan.nats {
            file::make_dir(&server.store, Access::Private)?;
            let cmd = server.command(|program| host.command(program), nats_port);
            running.start_server(named(SERVER, cmd), nats_port).await?;
            let address = format!("nats://127.0.0.1:{nats_port}");
            host.tell(&format!("{NATS_URL}={address}"));
            url = Some(address);
        }
        for (name, words) in &plan.programs {
            let Some((program, args)) = words.split_first() else { continue };
            // One of this repo's own is written from its root, wherever the command was typed.
            let mut cmd = named(name.as_str(), host.command(self.of_repo(program)).args(args));
            for (name, value) in &plan.plain {
                cmd = cmd.env(name, value);
            }
            for (name, value) in &plan.secret {
                cmd = cmd.env_secret(name.as_str(), value);
            }
            // Last: what is meant for another server must not reach this one.
            if let Some(url) = &url {
                cmd = ELSEWHERE.iter().fold(cmd.env(NATS_URL, url), |cmd, name| cmd.env_remove(name));
            }
            if name.as_str() == Commands::APP && plan.variables.contains("PORT") {
                cmd = cmd.env("PORT", port.to_string());
            }
            running.start_app(name.to_string(), cmd);
        }
        let patience = self.settings().deploy.wait.map_or(PATIENCE, |wait| wait.0);
        let health = async {
            if !plan.health.is_empty() {
                tell_health(host.clone(), port, plan.health.clone(), patience).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = running.until_one_ends() => ended,
            () = health => Err(Error::new(ErrorKind::Bug, "looking at the health of an app ended")),
        }
    }

    /// A program as infra.toml names it: by its name alone, or by a path from the root.
    fn of_repo(&self, program: &str) -> PathBuf {
        if program.contains(['/', std::path::MAIN_SEPARATOR]) {
            self.config().root().join(program)
        } else {
            program.into()
        }
    }

    /// The server that this environment names in infra.toml, where no variable names another.
    fn named_server(&self) -> Result<Option<String>> {
        let named = self.config().section()?.nats.as_ref().and_then(|nats| nats.url.clone());
        Ok(named.filter(|_| self.env().get(NATS_URL).is_none()))
    }

    async fn tell_missing_references(&self) -> Result<()> {
        if self.settings().refs.is_empty() {
            return Ok(());
        }
        match self.check_references().await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                self.host().tell(&format!("warning: {}", error.report()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
