//! The Terraform stacks of this repo: opening one, and what it gave out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::config;
use crate::env::{AWS_DEFAULT_REGION, AWS_REGION};
use crate::error::Result;
use crate::infra::open::Infra;
use crate::names::{Label, unknown};
use crate::state::StateKey;
use crate::terraform::{Stack, StackPlace, Terraform};

/// How long a stack waits for somebody else's lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an interrupted apply may take to end in good order.
const APPLYING: Duration = Duration::from_secs(75);

impl Infra {
    /// The outputs of one stack as they are now, in a struct of yours.
    ///
    /// # Errors
    /// `NotFound` when there is no such stack; `Invalid` listing every output that is missing or of another type.
    pub async fn outputs<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let (name, config) = self.stack_named(name)?;
        let stack = self.open_stack(&self.terraform().await?, name, config).await?;
        stack.outputs().await
    }

    pub(super) async fn open_stack(
        &self,
        terraform: &Terraform,
        name: &Label,
        stack: &config::Stack,
    ) -> Result<Stack> {
        self.require_left(name).await?;
        self.free_what_expired(name).await?;
        self.open_stack_at(terraform, name, stack, self.config().root().to_path_buf()).await
    }

    /// Opens a stack whose code stands below `root`, which may be the repo as it was at another commit.
    pub(super) async fn open_stack_at(
        &self,
        terraform: &Terraform,
        name: &Label,
        stack: &config::Stack,
        root: PathBuf,
    ) -> Result<Stack> {
        let key = self.state_key(name);
        let place = StackPlace {
            name: name.clone(),
            repo: root,
            dir: stack.dir.clone(),
            data: self.home().terraform(name),
            backend: self.ports().state.settings(&key).await?,
            lock_timeout: LOCK_TIMEOUT,
        };
        let (host, environment) = (self.host().clone(), self.environment().to_string());
        let region = self.region_to_tell()?;
        // Every stack may declare a variable `environment`; one given this way does no harm where it is not declared.
        let start = move |program: &Path| {
            let command = host.command(program).env("TF_VAR_environment", &environment);
            region.iter().fold(command, |command, region| command.env(AWS_REGION, region))
        };
        let opened = terraform.stack(place, start).await?;
        opened.init().await?;
        Ok(opened)
    }

    /// The region of infra.toml, where the environment names none: provider and state then agree without saying it twice.
    fn region_to_tell(&self) -> Result<Option<String>> {
        let section = self.config().section()?;
        let said = self.env().get(AWS_REGION).or_else(|| self.env().get(AWS_DEFAULT_REGION));
        let of_aws = section.provider == config::Provider::Aws && said.is_none();
        Ok(section.region.clone().filter(|_| of_aws))
    }

    pub(super) fn state_key(&self, stack: &Label) -> StateKey {
        let project = &self.settings().project;
        StateKey {
            owner: project.org.clone(),
            repo: project.name.clone(),
            env: self.environment().clone(),
            stack: stack.clone(),
        }
    }

    pub(super) async fn terraform(&self) -> Result<Terraform> {
        // Terraform finishes what it began and writes its state.
        self.host().needs_grace(APPLYING);
        Terraform::find(&self.settings().tools, self.env(), self.home().root()).await
    }

    pub(super) fn stack_named(&self, name: &str) -> Result<(&Label, &config::Stack)> {
        let stacks = &self.settings().stack;
        stacks.get_key_value(name).ok_or_else(|| {
            unknown("stack", name, stacks.keys().map(Label::as_str), "add it as `[stack.NAME]`")
        })
    }
}
