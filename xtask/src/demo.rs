//! `demo`: a whole organisation on this machine, from nothing to a rollback, with nothing left running.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use infra_sdk::names::{OrgName, RepoName};
use infra_sdk::{CancelToken, Cmd, Cx, Error, ErrorKind, Result, ResultExt};
use serde::Deserialize;

use crate::new::{self, Request};
use crate::snapshot::{self, Pin, Why};

const ORG: &str = "acme";

/// How long stopping two services may take.
const CLEANING_UP: Duration = Duration::from_secs(60);

/// The task: sets the stage, tells the story, and stops what it started even when the story fails.
///
/// # Errors
/// The first step that does not do what it should.
pub(crate) async fn run(cx: Cx) -> Result<()> {
    // Ctrl-C in the middle still leaves time to stop what was started.
    cx.needs_grace(CLEANING_UP);
    let stage = Stage::set(&cx).await?;
    let told = stage.tell().await;
    let stopped = stage.stop_services().await;
    told.and(stopped)
}

/// `target/demo`: a bare clone of the SDK, three repos, one `INFRA_HOME`.
struct Stage {
    cx: Cx,
    folder: PathBuf,
    started: Instant,
}

/// What `infra:deploy:status --output json` says of the running service.
#[derive(Deserialize)]
struct Running {
    url: Option<String>,
}

impl Stage {
    async fn set(cx: &Cx) -> Result<Self> {
        let stage = Stage { cx: cx.clone(), folder: cx.root().join("target/demo"), started: Instant::now() };
        if let Err(error) = stage.stop_services().await {
            cx.warn(format!("an earlier demo could not be stopped: {}", error.report()));
        }
        // What cargo built for all repos stays in target/demo-build: a second demo then takes seconds.
        for part in ["home", "infrastructure", "shop-api", "shop-web"] {
            let path = stage.folder.join(part);
            if path.exists() {
                std::fs::remove_dir_all(&path)
                    .context(format!("remove the earlier demo at {}", path.display()))?;
            }
        }
        Ok(stage)
    }

    async fn tell(&self) -> Result<()> {
        self.chapter("The SDK, as a git repository with a tag");
        let git = snapshot::take(self.cx.root(), &self.folder.join("infra-sdk.git"))?;
        let pin = Pin { git, tag: snapshot::tag(), why: Why::Snapshot };
        self.cx.say(format!("{pin}"));

        self.chapter("Three repos of one organisation, made by the code of `cargo xtask new`");
        for (name, kind) in
            [("infrastructure", "infrastructure"), ("shop-api", "api"), ("shop-web", "webapp")]
        {
            self.make(name, kind, &pin)?;
        }
        self.cx.say("the first task compiles the SDK, a minute or two, once; the other repos share it");

        self.chapter("infrastructure builds a network and publishes it");
        self.xtask("infrastructure", &["setup"]).await?;
        self.xtask("infrastructure", &["deploy"]).await?;

        for (repo, what) in [("shop-api", "a service"), ("shop-web", "a site")] {
            self.chapter(&format!("{repo}, {what}, reads the network, builds its image and ships it"));
            self.xtask(repo, &["setup"]).await?;
            self.commit(repo, "v0.1.0").await?;
            for task in ["build", "deploy"] {
                self.xtask(repo, &[task]).await?;
            }
            self.ask_version(repo, "0.1.0").await?;
        }

        self.chapter("shop-api 0.2.0 is broken on purpose: it never becomes healthy");
        self.break_health()?;
        self.xtask("shop-api", &["build"]).await?;
        self.commit("shop-api", "v0.2.0").await?;
        self.cx.say("shop-api $ cargo xtask deploy");
        let refused =
            self.command("shop-api", &["deploy"]).env("INFRA_CONFIG__DEPLOY__WAIT", "3s").run().await;
        match refused {
            Err(error) if error.kind() == ErrorKind::Failed => {
                self.cx.say("the deploy ended with a failure, as it must\n");
            }
            Err(error) => return Err(error),
            Ok(()) => return Err(Error::new(ErrorKind::Bug, "a broken release was accepted")),
        }
        self.ask_version("shop-api", "0.1.0").await?;
        self.xtask("shop-api", &["infra:deploy:history"]).await?;
        self.by_demo("shop-api", &["revert", "--no-edit", "HEAD"]).run().await?;
        self.cx.say("shop-api $ git revert HEAD: the repo is at what serves again");

        self.chapter("The ledger: every change, in one chain");
        self.xtask("infrastructure", &["infra:ledger:show"]).await?;
        self.xtask("infrastructure", &["infra:ledger:verify"]).await?;

        self.chapter("Done: the services are stopped, the repos stay for you to look at");
        self.cx.say(format!("look at {}", self.folder.display()));
        Ok(())
    }

    fn chapter(&self, title: &str) {
        self.cx.say(format!("\n[{:>5.1} s] {title}", self.started.elapsed().as_secs_f64()));
    }

    fn make(&self, name: &str, kind: &str, pin: &Pin) -> Result<()> {
        let request = Request {
            dir: self.folder.join(name),
            kind: kind.into(),
            org: OrgName::new(ORG)?,
            name: RepoName::new(name)?,
            pin: pin.clone(),
        };
        let made = new::create(self.cx.root(), &request)?;
        self.cx.say(format!("{name}: {} files, pinned to infra-sdk {}", made.files(), pin.tag));
        Ok(())
    }

    /// `cargo xtask …` in one of the repos, as a person there would type it, away from this repo's own settings.
    fn command(&self, repo: &str, args: &[&str]) -> Cmd {
        self.in_repo(repo, "cargo").args(["--quiet", "xtask"]).args(args)
    }

    fn in_repo(&self, repo: &str, program: &str) -> Cmd {
        let mut command = self.cx.cmd(program).dir(self.folder.join(repo));
        for (name, _) in self.cx.env().vars() {
            let text = name.to_string_lossy();
            if text.starts_with("INFRA_") || text.starts_with("CARGO_") && text != "CARGO_HOME" {
                command = command.env_remove(name);
            }
        }
        command
            .env("INFRA_HOME", self.folder.join("home"))
            .env("CARGO_BUILD_BUILD_DIR", self.cx.root().join("target/demo-build"))
            .env_remove("CI")
            .env_remove("GITHUB_ACTIONS")
    }

    async fn xtask(&self, repo: &str, args: &[&str]) -> Result<()> {
        let start = Instant::now();
        self.cx.say(format!("{repo} $ cargo xtask {}", args.join(" ")));
        self.command(repo, args).run().await?;
        self.cx.say(format!("took {:.1} s\n", start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Commits a repo as it is and tags it, as its developer would; the tag is the version of its releases.
    async fn commit(&self, repo: &str, tag: &str) -> Result<()> {
        self.in_repo(repo, "git").args(["add", "--all"]).run().await?;
        self.by_demo(repo, &["commit", "--quiet", "--message", tag]).run().await?;
        self.in_repo(repo, "git").args(["tag", tag]).run().await
    }

    /// A command of git that makes a commit, whoever is or is not known to git here.
    fn by_demo(&self, repo: &str, args: &[&str]) -> Cmd {
        let commit = self.in_repo(repo, "git").args(args).quiet();
        ["GIT_AUTHOR", "GIT_COMMITTER"].iter().fold(commit, |commit, who| {
            commit.env(format!("{who}_NAME"), "demo").env(format!("{who}_EMAIL"), "demo@localhost")
        })
    }

    async fn ask_version(&self, repo: &str, expected: &str) -> Result<()> {
        let status = self.command(repo, &["infra:deploy:status", "--output", "json"]).read().await?;
        let running: Running = serde_json::from_str(&status).context("read the status of a service")?;
        let url = running.url.ok_or_else(|| Error::new(ErrorKind::Bug, "no service is running"))?;
        let answer = get(&format!("{}/version", url.trim_end_matches('/')))?;
        self.cx.say(format!("GET {url}/version → {answer}\n"));
        if !answer.contains(&format!("\"version\":\"{expected}\"")) || !answer.contains("\"network\":\"vpc-")
        {
            return Err(Error::new(ErrorKind::Bug, "the service is not the one that was deployed")
                .with("repo", repo)
                .with("expected version", expected));
        }
        Ok(())
    }

    /// What a bad day looks like: a new version whose health check answers 500.
    fn break_health(&self) -> Result<()> {
        let app = self.folder.join("shop-api/app");
        edit(&app.join("src/main.rs"), "= StatusCode::OK", "= StatusCode::INTERNAL_SERVER_ERROR")?;
        edit(&app.join("Cargo.toml"), "version = \"0.1.0\"", "version = \"0.2.0\"")
    }

    async fn stop_services(&self) -> Result<()> {
        for repo in ["shop-api", "shop-web"] {
            if self.folder.join(repo).join("infra.toml").exists() {
                // A token of its own: the run's may be cancelled by now.
                let stop = self.command(repo, &["infra:deploy:stop"]).cancel(CancelToken::new());
                stop.deadline(CLEANING_UP).read().await?;
            }
        }
        Ok(())
    }
}

fn edit(path: &Path, from: &str, to: &str) -> Result<()> {
    let text = std::fs::read_to_string(path).context(format!("read {}", path.display()))?;
    let changed = text.replacen(from, to, 1);
    if changed == text {
        return Err(
            Error::new(ErrorKind::Bug, "the demo did not find what it wants to break").with("text", from)
        );
    }
    std::fs::write(path, changed).context(format!("write {}", path.display()))
}

/// The body of a plain HTTP answer from this machine.
fn get(url: &str) -> Result<String> {
    let ask = || -> std::io::Result<String> {
        let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap_or((url, ""));
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    };
    ask().context(format!("ask {url}"))
}
