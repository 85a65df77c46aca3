//! Which program drives the stacks: terraform or tofu, installed or on `PATH`, in the version that is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Tool;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::names::Label;
use crate::process::Cmd;
use crate::terraform::stack::{Stack, StackPlace};
use crate::tools;

/// Makes the start of every command: the caller gives it its masks, its cancel token and the sink of its task.
pub(super) type Start = Arc<dyn Fn(&Path) -> Cmd + Send + Sync>;

/// A terraform or tofu program.
///
/// ```no_run
/// use infra_sdk::terraform::{StackPlace, Terraform};
/// use infra_sdk::{Cmd, Env, Result};
///
/// #[derive(serde::Serialize)]
/// struct Variables {
///     zones: Vec<String>,
/// }
/// #[derive(serde::Deserialize)]
/// struct Network {
///     vpc_id: String,
/// }
/// async fn network(place: StackPlace) -> Result<Network> {
///     let env = Env::of_process()?;
///     let terraform = Terraform::find(&Default::default(), &env, &env.infra_home()?).await?;
///     let stack = terraform.stack(place, |program| Cmd::new(program)).await?;
///     stack.init().await?;
///     let plan = stack.plan(&Variables { zones: vec!["a".into()] }).await?;
///     println!("{plan}");
///     stack.apply(plan).await?;
///     stack.outputs().await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Terraform {
    name: String,
    version: String,
    program: PathBuf,
    env: Env,
}

impl Terraform {
    /// Finds the program: what `[tools.terraform]` or `[tools.tofu]` of `infra.toml` asks for, or without these
    /// whichever is there, terraform first. A copy under `home`, the `INFRA_HOME` of the organisation, goes before `PATH`.
    ///
    /// # Errors
    /// `NotFound` when there is none, or not in the pinned version; `Invalid` when both are pinned or the version is
    /// none.
    pub async fn find(tools: &BTreeMap<Label, Tool>, env: &Env, home: &Path) -> Result<Self> {
        let pinned = ["terraform", "tofu"].map(|name| tools.get(name).map(|tool| (name, tool)));
        let wanted = match pinned {
            [Some(_), Some(_)] => {
                return Err(Error::invalid("infra.toml asks for both terraform and tofu").hint(
                    "keep one of `[tools.terraform]` and `[tools.tofu]`: a state belongs to one of them",
                ));
            }
            [Some(one), None] | [None, Some(one)] => Some(one),
            [None, None] => None,
        };
        let names = wanted.map_or(vec!["terraform", "tofu"], |(name, _)| vec![name]);
        let version = wanted.map(|(_, tool)| tool.version.as_str());
        for name in names {
            let Some(found) = tools::find(name, version, env, home).await? else { continue };
            if let Some(version) = version.filter(|version| *version != found.version) {
                return Err(Error::not_found(format!(
                    "{name} {version} is asked for, but there is version {}",
                    found.version
                ))
                .with("path", found.path.display())
                .hint("install the pinned version with `cargo xtask infra:tools:install`"));
            }
            return Ok(Terraform {
                name: name.into(),
                version: found.version,
                program: found.path,
                env: env.clone(),
            });
        }
        let name = wanted.map_or("terraform", |(name, _)| name);
        let error = Error::not_found(format!("{name} is not there"));
        Err(if wanted.is_some() {
            error.hint("install it with `cargo xtask infra:tools:install`")
        } else {
            error.hint(
                "pin it in infra.toml, such as `[tools.terraform] version = \"1.11.4\"`, then run `cargo xtask infra:tools:install`",
            )
        })
    }

    /// Opens a stack: waits until no other run on this machine works on it, then links its code into a working copy.
    /// `start` begins every command, so that its output goes to the caller's task; the deadline, the folder,
    /// the arguments and Terraform's own variables are set here.
    ///
    /// # Errors
    /// `Locked` when another run keeps the data folder for longer than the lock timeout of `place`; `Invalid` when the
    /// code cannot be used as it is; `Io` or `Denied` when the data folder cannot be written.
    pub async fn stack(
        &self,
        place: StackPlace,
        start: impl Fn(&Path) -> Cmd + Send + Sync + 'static,
    ) -> Result<Stack> {
        Stack::open(self.clone(), place, Arc::new(start)).await
    }

    /// `terraform` or `tofu`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, such as `1.11.4`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The environment it was found in.
    pub(super) fn env(&self) -> &Env {
        &self.env
    }
}
