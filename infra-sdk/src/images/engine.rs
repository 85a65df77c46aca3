//! The programs that build images from a Dockerfile: which of them is there, and can do it now.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::process::Cmd;

/// How long an engine may take to say whether it is there.
const ANSWER: Duration = Duration::from_secs(20);

/// Starts a program by its name: how lines are shown, what is masked and when it ends is the caller's affair.
pub type Command<'a> = &'a (dyn Fn(&str) -> Cmd + Send + Sync);

/// A program that builds images from a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Docker with a daemon that answers.
    Docker,
    /// Podman.
    Podman,
    /// Buildah.
    Buildah,
}

impl Engine {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Engine; 3] = [Engine::Docker, Engine::Podman, Engine::Buildah];

    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Podman => "podman",
            Engine::Buildah => "buildah",
        }
    }

    /// What answers only if it can build. A client of Docker answers without its daemon, and one of Podman without its
    /// machine, unless they are asked about those.
    fn question(self) -> &'static [&'static str] {
        match self {
            Engine::Docker => &["version", "--format", "{{.Server.Version}}"],
            Engine::Podman => &["info", "--format", "{{.Version.Version}}"],
            Engine::Buildah => &["version"],
        }
    }

    /// The first engine that is on the `PATH` of `env` and answers.
    ///
    /// # Errors
    /// `Unavailable`, saying of each why it is not the one; `Cancelled`.
    pub async fn find(env: &Env, command: Command<'_>) -> Result<Engine> {
        let mut why = Vec::new();
        for engine in Self::ALL {
            let program = engine.program();
            if env.which(program).is_none() {
                why.push(format!("{program} is not on PATH"));
                continue;
            }
            match command(program).quiet().args(engine.question()).deadline(ANSWER).output().await {
                Ok(answer) if answer.success() && !answer.stdout.trim().is_empty() => return Ok(engine),
                Ok(answer) => {
                    let mut said = answer.stdout.lines().chain(answer.stderr.lines()).map(str::trim);
                    let said = said.rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
                    why.push(format!(
                        "{program} does not work: {}",
                        said.chars().take(200).collect::<String>()
                    ));
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => why.push(format!("{program} does not work: {error}")),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "no program is here that builds an image from a Dockerfile")
            .because(why.join("\n"))
            .hint("install docker, podman or buildah, or start the daemon of docker")
            .hint("or set `files` and `entrypoint` of the image in infra.toml: that needs none of them"))
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}
