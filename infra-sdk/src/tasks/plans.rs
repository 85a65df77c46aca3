//! `infra:plan`, `infra:apply` and `infra:plan:*`: what a plan does, what another one does beyond it, and doing it.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::env::GITHUB_ACTIONS;
use crate::error::Result;
use crate::file::{self, Access};
use crate::infra::{Compared, PlanOptions, PlanView, PlanViews};
use crate::plan::{COMMENT_LIMIT, PlanJson};

/// The handles of `infra:plan:*`.
#[derive(Clone, Copy, Debug)]
pub struct PlanTasks {
    /// Shows plans made elsewhere.
    pub show: TaskRef<()>,
    /// Compares two plans.
    pub diff: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> (TaskRef<()>, TaskRef<()>, PlanTasks) {
    let plan = pack
        .task("plan")
        .about("Show what applying the stacks would change")
        .args::<PlanFlags>()
        .read_only()
        .run(plan);
    let apply = pack
        .task("apply")
        .about("Apply the stacks in order, each exactly as planned")
        .args::<ApplyFlags>()
        .danger_unless_local()
        .plans()
        .run(apply);
    let show = pack
        .task("plan:show")
        .about("Show plans made elsewhere, without a secret")
        .args::<ShowFlags>()
        .read_only()
        .run(show);
    let diff = pack
        .task("plan:diff")
        .about("Say whether a plan does more than the one that was approved")
        .args::<DiffFlags>()
        .read_only()
        .run(diff);
    (plan, apply, PlanTasks { show, diff })
}

/// All values of an argument, as paths.
pub(super) fn paths(matches: &ArgMatches, name: &str) -> Vec<PathBuf> {
    matches.get_many::<String>(name).into_iter().flatten().map(PathBuf::from).collect()
}

/// Files that a page is written to.
#[derive(Default)]
pub(super) struct Files {
    markdown: Option<PathBuf>,
    limit: usize,
    sarif: Option<PathBuf>,
}

impl Files {
    fn augment(command: Command) -> Command {
        let markdown = Arg::new("markdown").long("markdown").value_name("FILE");
        let limit = Arg::new("limit").long("limit").value_name("BYTES").default_value("65000");
        command
            .arg(markdown.help("Also write a page for a comment on GitHub"))
            .arg(limit.value_parser(value_parser!(usize)).help("How large that page may be"))
    }

    /// For tasks that judge.
    pub(super) fn augment_sarif(command: Command) -> Command {
        let sarif = Arg::new("sarif").long("sarif").value_name("FILE");
        command.arg(sarif.help("Also write the findings as SARIF"))
    }

    fn of(matches: &ArgMatches) -> Self {
        let limit = matches.get_one("limit").copied().unwrap_or(COMMENT_LIMIT);
        Files { markdown: paths(matches, "markdown").pop(), limit, sarif: None }
    }

    pub(super) fn of_sarif(matches: &ArgMatches) -> Self {
        Files { sarif: paths(matches, "sarif").pop(), ..Files::default() }
    }

    pub(super) fn write(&self, cx: &Cx, views: &PlanViews) -> Result<()> {
        let write = |path: &Path, text: String| {
            file::write(&cx.env().cwd().join(path), text.as_bytes(), Access::Shared)
        };
        if let Some(path) = &self.markdown {
            // One comment for each environment: another run finds it by this key.
            let key = cx.environment().to_string();
            write(path, views.page(|page| page.markdown(&key, self.limit))?)?;
        }
        if let Some(path) = &self.sarif {
            write(path, views.page(|page| page.sarif())?)?;
        }
        Ok(())
    }
}

struct PlanFlags {
    save: bool,
    out: Option<PathBuf>,
    files: Files,
}

impl TaskArgs for PlanFlags {
    fn augment(command: Command) -> Command {
        let save = Arg::new("save").long("save").action(ArgAction::SetTrue);
        let out = Arg::new("out").long("out").value_name("FOLDER");
        Files::augment_sarif(Files::augment(command))
            .arg(save.help("Keep the plans, encrypted, for `infra:apply --saved`"))
            .arg(out.help("Keep them in this folder, to carry them elsewhere"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(PlanFlags {
            save: matches.get_flag("save"),
            out: paths(matches, "out").pop(),
            files: Files { sarif: paths(matches, "sarif").pop(), ..Files::of(matches) },
        })
    }
}

struct ApplyFlags {
    saved: bool,
    plans: Option<PathBuf>,
}

impl TaskArgs for ApplyFlags {
    fn augment(command: Command) -> Command {
        let saved = Arg::new("saved").long("saved").action(ArgAction::SetTrue);
        let plans = Arg::new("plans").long("plans").value_name("FOLDER");
        command
            .arg(saved.help("Apply the plans that `infra:plan --save` kept"))
            .arg(plans.help("Apply the plans in this folder"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ApplyFlags { saved: matches.get_flag("saved"), plans: paths(matches, "plans").pop() })
    }
}

struct ShowFlags {
    plans: Vec<PathBuf>,
    files: Files,
}

impl TaskArgs for ShowFlags {
    fn augment(command: Command) -> Command {
        let plans =
            Arg::new("plan").value_name("PLAN.json").action(ArgAction::Append).num_args(1..).required(true);
        Files::augment(command)
            .arg(plans.help("What `terraform show -json PLANFILE` wrote; `-` for standard input"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(ShowFlags { plans: paths(matches, "plan"), files: Files::of(matches) })
    }
}

struct DiffFlags {
    approved: PathBuf,
    anew: PathBuf,
}

impl TaskArgs for DiffFlags {
    fn augment(command: Command) -> Command {
        let approved = Arg::new("approved").value_name("APPROVED.json").required(true);
        let anew = Arg::new("anew").value_name("NEW.json").required(true);
        command
            .arg(approved.help("The plan that was approved"))
            .arg(anew.help("The plan that would be applied now"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let path = |name| paths(matches, name).pop().unwrap_or_default();
        Ok(DiffFlags { approved: path("approved"), anew: path("anew") })
    }
}

async fn plan(cx: Cx, flags: PlanFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let save = match flags.out {
        Some(folder) => Some(cx.env().cwd().join(folder)),
        None => flags.save.then(|| infra.plans_folder()),
    };
    let options = PlanOptions { save: save.filter(|_| !cx.is_dry_run()) };
    tell(&cx, &infra.plan_stacks(&options).await?, &flags.files)
}

async fn apply(cx: Cx, flags: ApplyFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let saved = match flags.plans {
        Some(folder) => Some(cx.env().cwd().join(folder)),
        None => flags.saved.then(|| infra.plans_folder()),
    };
    match saved {
        Some(folder) if cx.is_dry_run() => tell(&cx, &infra.saved_plans(&folder).await?, &Files::default())?,
        Some(folder) => cx.report(&infra.apply_saved(&folder).await?),
        None if cx.is_dry_run() => {
            tell(&cx, &infra.plan_stacks(&PlanOptions::default()).await?, &Files::default())?;
        }
        None => cx.report(&infra.apply_stacks().await?),
    }
    Ok(())
}

async fn show(cx: Cx, flags: ShowFlags) -> Result<()> {
    let mut views = PlanViews { stacks: Vec::new(), masks: cx.masks().clone() };
    for path in &flags.plans {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        views.stacks.push(PlanView::new(name, read(&cx, path)?));
    }
    tell(&cx, &views, &flags.files)
}

async fn diff(cx: Cx, flags: DiffFlags) -> Result<()> {
    let (approved, anew) = (read(&cx, &flags.approved)?, read(&cx, &flags.anew)?);
    let named = |path: &Path| path.display().to_string();
    let approved = approved.plan().map_err(|error| error.with("plan", named(&flags.approved)))?;
    let anew = anew.plan().map_err(|error| error.with("plan", named(&flags.anew)))?;
    let comparison = Compared::of(&approved, &anew)?;
    cx.report(&comparison);
    comparison.into_result()
}

/// Reads a plan; `-` is standard input.
pub(super) fn read(cx: &Cx, path: &Path) -> Result<PlanJson> {
    if path == Path::new("-") {
        return PlanJson::from_reader(std::io::stdin().lock());
    }
    PlanJson::read(cx.env().cwd().join(path))
}

/// Shows plans to whoever asked, and writes the files that were asked for.
fn tell(cx: &Cx, views: &PlanViews, files: &Files) -> Result<()> {
    files.write(cx, views)?;
    if cx.env().flag(GITHUB_ACTIONS) {
        cx.step_summary(&views.page(|page| page.step_summary())?);
    }
    cx.report_either(|| views.terminal(), || views.json())
}
