//! One stack: its code, its state, and the four steps of its life.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::file::{self, Access, FileLock, failed};
use crate::names::Label;
use crate::plan::verdict::{self, Verdict};
use crate::plan::{PlanJson, Veil};
use crate::process::Cmd;
use crate::secret::SecretValue;
use crate::state::BackendSettings;
use crate::terraform::backend;
use crate::terraform::failure::{Attempt, Words, explain};
use crate::terraform::find::{Start, Terraform};
use crate::terraform::outputs::{self, Output};
use crate::terraform::package::PlanPackage;
use crate::terraform::plan_file::{Applied, PlanFile, Saved};
use crate::terraform::tree::Tree;
use crate::terraform::variables::VariableFile;

/// More than these would take longer to look for than Terraform takes to print a line.
const MOST_MASKS: usize = 5_000;

/// Where a stack's code, data and state are.
#[derive(Clone, Debug)]
pub struct StackPlace {
    /// The stack's name, for messages.
    pub name: Label,
    /// The repo.
    pub repo: PathBuf,
    /// The folder of the code, relative to the repo.
    pub dir: String,
    /// A folder for this stack in this environment alone, outside the code; made when missing, mode 0700.
    pub data: PathBuf,
    /// Where the state is kept, as a [`StateBackend`](crate::state::StateBackend) says.
    pub backend: BackendSettings,
    /// How long to wait for the lock of another run, of the state or of the data folder; zero to fail at once.
    pub lock_timeout: Duration,
}

/// An opened stack. While it or a plan of it lives, other runs on this machine wait for it.
#[derive(Clone)]
pub struct Stack {
    terraform: Terraform,
    place: StackPlace,
    start: Start,
    opened: Arc<Opened>,
}

/// The working copy, and the lock that keeps it to one run.
#[derive(Debug)]
pub(super) struct Opened {
    tree: Tree,
    // Plans and variables; emptied when the stack is opened, in case the last run was killed.
    run: PathBuf,
    _lock: FileLock,
}

impl Stack {
    pub(super) async fn open(terraform: Terraform, mut place: StackPlace, start: Start) -> Result<Self> {
        backend::check_tool(&place.backend, terraform.name(), terraform.version())?;
        // Terraform runs in another folder than this process.
        place.data = std::path::absolute(&place.data)?;
        let begin = Instant::now();
        let lock = loop {
            if let Some(lock) = FileLock::try_acquire(&place.data.join("lock"))? {
                break lock;
            }
            if begin.elapsed() >= place.lock_timeout {
                return Err(Error::new(ErrorKind::Locked, "another run on this machine works on the stack")
                    .with("stack", &place.name)
                    .with("data", place.data.display())
                    .hint("wait until it is done, or end it; its lock ends with it")
                    .retryable());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let run = place.data.join("run");
        if run.exists() {
            std::fs::remove_dir_all(&run).map_err(|error| failed("empty a folder", &run, error))?;
        }
        file::make_dir(&run, Access::Private)?;
        let tree = Tree::make(&place.repo, &place.dir, &place.data.join("work"), &place.backend)?;
        Ok(Stack { terraform, place, start, opened: Arc::new(Opened { tree, run, _lock: lock }) })
    }

    /// The stack's name.
    pub fn name(&self) -> &Label {
        &self.place.name
    }

    /// Fetches providers and modules and connects to the state.
    ///
    /// # Errors
    /// `Failed` with Terraform's words; `Conflict` when the state is kept elsewhere than before; `Cancelled`, `TimedOut`.
    pub async fn init(&self) -> Result<()> {
        // What it says is the same every time; when it fails the error repeats it.
        let cmd = self.command("init").args(["-input=false", "-no-color"]).quiet();
        self.run("init", cmd).await?;
        self.opened.tree.keep_lock_file()
    }

    /// Plans what would make the stack as its code says, with the fields of `variables` as its variables: a
    /// struct, a map, or `()` for none. Secrets in it are masked in what Terraform prints.
    ///
    /// # Errors
    /// `Failed` with Terraform's words; `Locked` with the holder of the state's lock; `Invalid` when `variables` have no
    /// names; `Cancelled`, `TimedOut`.
    pub async fn plan<V: Serialize + ?Sized>(&self, variables: &V) -> Result<PlanFile> {
        let lock = self.lock_timeout();
        self.planned(variables, &[&lock]).await
    }

    /// Plans without taking the lock of the state, to look and not to apply: it needs no more than reading.
    ///
    /// # Errors
    /// As [`plan`](Stack::plan).
    pub async fn look<V: Serialize + ?Sized>(&self, variables: &V) -> Result<PlanFile> {
        self.planned(variables, &["-lock=false"]).await
    }

    /// Plans to destroy everything in the state.
    ///
    /// # Errors
    /// As [`plan`](Stack::plan).
    pub async fn plan_destroy<V: Serialize + ?Sized>(&self, variables: &V) -> Result<PlanFile> {
        let lock = self.lock_timeout();
        self.planned(variables, &["-destroy", &lock]).await
    }

    async fn planned<V: Serialize + ?Sized>(&self, variables: &V, flags: &[&str]) -> Result<PlanFile> {
        let variables = VariableFile::write(&self.opened.run, variables)?;
        let saved = Saved::empty(&self.opened.run)?;
        let cmd = self
            .command("plan")
            .args(["-input=false", "-no-color"])
            .args(flags)
            .arg(joined("-var-file=", variables.path()))
            .arg(joined("-out=", &saved.path))
            .quiet();
        let cmd = variables.secrets().iter().fold(cmd, Cmd::mask);
        let words = Words::default();
        if let Err(error) = cmd.tee(Arc::new(words.clone())).run().await {
            // A failed condition quotes values. Terraform then still saves what it has, marks included.
            if let Ok(veil) = self.veil_of(&saved.path).await {
                words.hide(&veil);
            }
            return Err(self.explain("plan", error, &words));
        }
        self.shown(variables.into_secrets(), saved).await
    }

    /// The secrets of a saved plan, or of as much of one as there is.
    async fn veil_of(&self, saved: &Path) -> Result<Veil> {
        let json = self.command("show").arg("-json").arg(saved).quiet().read().await?;
        Veil::of(&PlanJson::new(json)?.plan()?)
    }

    /// Takes a plan that was packed earlier, maybe by another process. Terraform is asked what it would do: that, and not
    /// what stands beside it in the package, is what is shown, judged and compared.
    ///
    /// # Errors
    /// `Denied` when the two do not say the same: somebody put another plan in its place; `Denied` or `Io` when it cannot be
    /// written beside the working copy; what Terraform fails with.
    pub async fn unpack(&self, package: PlanPackage) -> Result<PlanFile> {
        let saved = Saved::holding(&self.opened.run, &package.saved)?;
        let plan = self.shown(Vec::new(), saved).await?;
        let comparison = verdict::compare(&package.json.plan()?, &plan.plan()?)?;
        if comparison.verdict != Verdict::Equal || !comparison.reasons.is_empty() {
            return Err(Error::new(ErrorKind::Denied, "a saved plan is not the one that was approved")
                .with("stack", &self.place.name)
                .hint("plan again, and find out who can write where plans are kept"));
        }
        Ok(plan)
    }

    /// The plan in `saved`, as Terraform shows it.
    async fn shown(&self, secrets: Vec<SecretValue>, saved: Saved) -> Result<PlanFile> {
        let words = Words::default();
        let show = self.command("show").arg("-json").arg(&saved.path).tee(Arc::new(words.clone()));
        let take = |json: &mut Vec<u8>, piece: &[u8]| json.extend_from_slice(piece);
        let json = show.fold(Vec::new(), take).await.map_err(|error| self.explain("show", error, &words))?;
        PlanFile::new(
            self.place.name.as_str(),
            Arc::new(PlanJson::new(json)?),
            secrets,
            saved,
            self.opened.clone(),
        )
    }

    /// Lets Terraform say in its own words, attribute by attribute, what a plan changes.
    ///
    /// # Errors
    /// `Failed` with Terraform's words; `Cancelled`, `TimedOut`.
    pub async fn show(&self, plan: &PlanFile) -> Result<()> {
        let cmd = self.command("show").arg("-no-color").arg(plan.path());
        let (cmd, words) = hidden(cmd, plan)?;
        self.run_with("show", cmd, words).await
    }

    /// Carries out exactly this plan. A cancelled apply begins nothing new and has 60 seconds to finish what it began
    /// and write the state.
    ///
    /// # Errors
    /// `Conflict` when the state was changed after the plan was made; `Locked` with the holder of the state's lock;
    /// `Failed` with Terraform's words; `Invalid` when the plan is another stack's; `Cancelled`, `TimedOut`.
    pub async fn apply(&self, plan: PlanFile) -> Result<Applied> {
        if !plan.is_of(&self.opened) {
            return Err(Error::invalid("the plan was made by another run or for another stack")
                .with("stack", &self.place.name)
                .hint("plan and apply with the same opened stack"));
        }
        let log = self.opened.run.join("apply.log");
        let cmd = self
            .command("apply")
            .args(["-input=false", "-no-color"])
            .arg(self.lock_timeout())
            .arg(plan.path())
            // Into a pipe, Terraform would die at its next line once this process is killed, and lose what it just made.
            .through_file(&log);
        let (cmd, words) = hidden(cmd, &plan)?;
        let applied = self.run_with("apply", cmd, words).await;
        // It may show an unmarked secret; the next opening of the stack removes it where this does not get to.
        let _ = std::fs::remove_file(log);
        applied?;
        Ok(Applied { stack: self.place.name.to_string(), summary: plan.into_summary() })
    }

    /// The outputs in the state, by name. Holds sensitive values in clear.
    ///
    /// # Errors
    /// `Failed` with Terraform's words; `Cancelled`, `TimedOut`.
    pub async fn outputs_raw(&self) -> Result<BTreeMap<String, Output>> {
        outputs::parse(&self.read("output", self.command("output").args(["-json", "-no-color"])).await?)
    }

    /// The outputs in the state as `T`: the output `vpc_id` or `vpc-id` fills the field `vpc_id`, a sensitive one only a
    /// [`SecretValue`](crate::SecretValue). Outputs without a field are passed over.
    ///
    /// # Errors
    /// `Invalid` with all outputs that are missing or of another type; otherwise as [`outputs_raw`](Stack::outputs_raw).
    pub async fn outputs<T: DeserializeOwned>(&self) -> Result<T> {
        outputs::read(self.place.name.as_str(), &self.outputs_raw().await?)
    }

    /// A command of Terraform that nothing from outside steers to another state.
    fn command(&self, verb: &str) -> Cmd {
        let env = self.terraform.env();
        // On TERM providers would die in the middle of a change; on INT they wait for Terraform, which stops in order.
        let mut cmd = (self.start)(self.terraform.program())
            .arg(verb)
            .dir(self.opened.tree.folder())
            .grace(Duration::from_secs(60))
            .end_by_interrupt();
        for (name, _) in env.vars() {
            let name = name.to_string_lossy();
            if name.starts_with("TF_CLI_ARGS") || name == "TF_WORKSPACE" {
                cmd = cmd.env_remove(name.as_ref());
            }
        }
        // A settings file that is not there changes nothing but adds a warning to all output.
        if env.path("TF_CLI_CONFIG_FILE").is_some_and(|file| !file.exists()) {
            cmd = cmd.env_remove("TF_CLI_CONFIG_FILE");
        }
        let BackendSettings { env, credentials, .. } = &self.place.backend;
        cmd = env.iter().fold(cmd, |cmd, (name, value)| cmd.env(name, value));
        cmd = credentials.iter().fold(cmd, |cmd, (name, value)| cmd.env_secret(name, value));
        cmd.env("TF_IN_AUTOMATION", "1").env("CHECKPOINT_DISABLE", "1").env("TF_DATA_DIR", self.data_dir())
    }

    fn data_dir(&self) -> PathBuf {
        self.place.data.join("terraform")
    }

    fn lock_timeout(&self) -> String {
        format!("-lock-timeout={}s", self.place.lock_timeout.as_secs())
    }

    async fn run(&self, verb: &str, cmd: Cmd) -> Result<()> {
        self.run_with(verb, cmd, true).await
    }

    /// `words`: whether an error repeats what Terraform said.
    async fn run_with(&self, verb: &str, cmd: Cmd, words: bool) -> Result<()> {
        let kept = Words::default();
        let cmd = if words { cmd.tee(Arc::new(kept.clone())) } else { cmd };
        cmd.run().await.map_err(|error| self.explain(verb, error, &kept))
    }

    async fn read(&self, verb: &str, cmd: Cmd) -> Result<String> {
        let words = Words::default();
        let result = cmd.tee(Arc::new(words.clone())).read().await;
        result.map_err(|error| self.explain(verb, error, &words))
    }

    fn explain(&self, verb: &str, error: Error, words: &Words) -> Error {
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let by_hand = format!(
            "TF_DATA_DIR={} {} -chdir={}",
            quoted(&self.data_dir()),
            quoted(self.terraform.program()),
            quoted(self.opened.tree.folder())
        );
        let attempt = Attempt {
            tool: self.terraform.name(),
            verb,
            stack: self.place.name.as_str(),
            shared: self.place.backend.kind != "local",
            by_hand: &by_hand,
            backend: &self.place.backend,
            memory: &self.data_dir().join("terraform.tfstate"),
        };
        explain(&attempt, error, words)
    }
}

/// Hides the secrets of a plan in what a command prints: Terraform itself shows those that lost their mark. The rest of
/// the run does not mask them: a number of four digits would tear holes into everything. Of a plan with too many secrets
/// nothing is printed, and an error repeats nothing; the second value says so.
fn hidden(cmd: Cmd, plan: &PlanFile) -> Result<(Cmd, bool)> {
    let veil = Veil::of(&plan.plan()?)?;
    let cmd = plan.secrets().iter().fold(cmd, Cmd::mask).own_masks();
    if veil.secrets().nth(MOST_MASKS).is_some() {
        return Ok((cmd.quiet(), false));
    }
    Ok((veil.secrets().fold(cmd, Cmd::mask), true))
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("name", &self.place.name).finish_non_exhaustive()
    }
}

fn joined(flag: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(flag);
    text.push(path);
    text
}
