//! A context for testing one body on a folder, with captured output.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::console::{Captured, Console};
use crate::app::cx::{Cx, Shared};
use crate::app::environment::Environment;
use crate::app::lane::Lane;
use crate::app::node::GRACE;
use crate::app::output::Output;
use crate::app::service::Services;
use crate::env::Env;
use crate::error::Result;
use crate::names::EnvName;

/// Builds a [`Cx`] without an app; see [`Cx::test`].
#[must_use = "a context is made by `build`"]
pub struct CxBuilder {
    root: PathBuf,
    env: Option<Env>,
    environment: Option<Environment>,
    answers: Option<Vec<String>>,
    dry_run: bool,
    services: Services,
}

impl CxBuilder {
    pub(crate) fn new(root: PathBuf) -> Self {
        let services = Services::default();
        CxBuilder { root, env: None, environment: None, answers: None, dry_run: false, services }
    }

    /// Environment variables; none by default.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// The environment to work on; `local` by default.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Answers to questions, in their order. Without any, nobody can be asked.
    pub fn answers<A: Into<String>>(mut self, answers: impl IntoIterator<Item = A>) -> Self {
        self.answers = Some(answers.into_iter().map(Into::into).collect());
        self
    }

    /// As in a `--dry-run`.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// As [`App::provide`](crate::App::provide).
    pub fn provide<T: Send + Sync + 'static>(
        mut self,
        make: impl Fn(&Cx) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        self.services.add(make);
        self
    }

    /// The context, and what it will print.
    pub fn build(self) -> (Cx, Captured) {
        let env = self.env.unwrap_or_else(|| Env::of::<&str, &str>([], &self.root));
        let (mut console, captured) = Console::captured(env);
        if let Some(answers) = self.answers {
            console = console.answering(answers);
        }
        let output = Arc::new(Output::new(&console.env, console.out, console.err, false));
        let shared = Shared {
            root: self.root,
            env: console.env,
            environment: self.environment.unwrap_or_else(|| EnvName::local().into()),
            dry_run: self.dry_run,
            output: output.clone(),
            asker: console.asker,
            asking: tokio::sync::Mutex::new(()),
            services: self.services.open(),
            longest_grace: Default::default(),
        };
        let lane = Arc::new(Lane::new(output, 0, "test".into(), true));
        (Cx::new(Arc::new(shared), lane, console.cancel, GRACE), captured)
    }
}
