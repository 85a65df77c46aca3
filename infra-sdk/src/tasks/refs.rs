//! `infra:refs:*`: what this repo reads of others, and what it publishes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::de::DeserializeOwned;

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::error::Result;
use crate::refs::Expectation;
use crate::tasks::plans::paths;

/// The handles of `infra:refs:*`.
#[derive(Clone, Debug)]
pub struct RefsTasks {
    /// Lists references and exports with what is there.
    pub list: TaskRef<()>,
    /// Says which references are missing, and which fields do not fit.
    pub check: TaskRef<()>,
    /// Publishes the exports.
    pub publish: TaskRef<()>,
    /// Makes an index of who reads what.
    pub readers: TaskRef<()>,
    /// Writes the references as Terraform code.
    pub tf: TaskRef<()>,
    expected: Arc<Mutex<Vec<Expectation>>>,
}

impl RefsTasks {
    /// Says that this repo reads a reference, a name of `[refs]` or a path, as `T`: `infra:refs:check` and every check
    /// before a deploy then compare `T` with what the exporting repo promises.
    ///
    /// ```
    /// use infra_sdk::{App, InfraTasks};
    /// #[derive(serde::Deserialize)]
    /// struct Network {
    ///     vpc_id: String,
    /// }
    /// fn tasks(app: &mut App, infra: &InfraTasks) {
    ///     infra.refs.expect::<Network>("network");
    /// }
    /// assert!(infra_sdk::check(tasks).is_ok());
    /// ```
    pub fn expect<T: DeserializeOwned + 'static>(&self, reference: &str) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.push(Expectation::new::<T>(reference));
    }

    /// Everything that is expected by now.
    pub(super) fn expected(&self) -> Vec<Expectation> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) fn register(pack: &mut Pack<'_>) -> RefsTasks {
    RefsTasks {
        list: pack.task("refs:list").about("List what this repo reads and publishes").read_only().run(list),
        check: pack
            .task("refs:check")
            .about("Check that every reference is there, as it is read here")
            .read_only()
            .run(check),
        publish: pack
            .task("refs:publish")
            .about("Publish the exports from the outputs of their stacks")
            .danger_unless_local()
            .plans()
            .args::<PublishFlags>()
            .run(publish),
        readers: pack
            .task("refs:readers")
            .about("Make an index of who reads what: this repo's part, and those of other repos")
            .args::<ReadersFlags>()
            .run(readers),
        tf: pack
            .task("refs:tf")
            .about("Write the references as data sources and locals of Terraform")
            .args::<TfFlags>()
            .run(tf),
        expected: Arc::default(),
    }
}

struct PublishFlags {
    take_over: bool,
}

impl TaskArgs for PublishFlags {
    fn augment(command: Command) -> Command {
        let take_over = Arg::new("take-over").long("take-over").action(ArgAction::SetTrue);
        command.arg(take_over.help("Also over a tree that another repo published, which has given it up"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(PublishFlags { take_over: matches.get_flag("take-over") })
    }
}

struct ReadersFlags {
    parts: Vec<PathBuf>,
    out: Option<PathBuf>,
}

impl TaskArgs for ReadersFlags {
    fn augment(command: Command) -> Command {
        let parts = Arg::new("part").value_name("PART.toml").action(ArgAction::Append).num_args(0..);
        let out = Arg::new("out").long("out").value_name("FILE");
        command
            .arg(parts.help("Indexes of other repos to put together with this repo's own"))
            .arg(out.help("Where to write it; `infra/readers.toml` is where plans look"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ReadersFlags { parts: paths(matches, "part"), out: paths(matches, "out").pop() })
    }
}

struct TfFlags {
    out: Option<PathBuf>,
}

impl TaskArgs for TfFlags {
    fn augment(command: Command) -> Command {
        let out = Arg::new("out").long("out").value_name("FILE");
        command.arg(out.help("Where to write it, such as terraform/references.tf; else it is shown"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(TfFlags { out: paths(matches, "out").pop() })
    }
}

async fn tf(cx: Cx, flags: TfFlags) -> Result<()> {
    let out = flags.out.map(|out| cx.env().cwd().join(out));
    cx.report(&cx.infra().await?.references_as_hcl(out.as_deref()).await?);
    Ok(())
}

async fn readers(cx: Cx, flags: ReadersFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let cwd = cx.env().cwd();
    let parts: Vec<PathBuf> = flags.parts.iter().map(|part| cwd.join(part)).collect();
    let out = flags.out.map(|out| cwd.join(out));
    cx.report(&infra.index_readers(&parts, out.as_deref())?);
    Ok(())
}

async fn list(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.list_references().await?);
    Ok(())
}

async fn check(cx: Cx) -> Result<()> {
    cx.report(&cx.infra().await?.check_references().await?);
    Ok(())
}

async fn publish(cx: Cx, flags: PublishFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_exports().await?;
    let plan = if flags.take_over { plan.take_over() } else { plan };
    if cx.is_dry_run() {
        cx.report(&plan);
    } else {
        cx.report(&infra.publish_exports(plan).await?);
    }
    Ok(())
}
