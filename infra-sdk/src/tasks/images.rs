//! `infra:image:*`: building, pushing, listing, promoting and scanning images.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::app::{Cx, Pack, TaskArgs, TaskRef, exit};
use crate::error::Result;
use crate::images::{ScanWait, Severity};
use crate::infra::ImageRef;
use crate::names::{EnvName, Tag};

/// The handles of `infra:image:*`.
#[derive(Clone, Copy, Debug)]
pub struct ImageTasks {
    /// Builds images.
    pub build: TaskRef<()>,
    /// Builds and pushes images.
    pub push: TaskRef<()>,
    /// Lists what was pushed.
    pub list: TaskRef<()>,
    /// Brings an image from another environment here.
    pub promote: TaskRef<()>,
    /// Lets an image pass, or not, by its scan.
    pub scan: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> ImageTasks {
    ImageTasks {
        build: pack
            .task("image:build")
            .about("Build images from files, or from a Dockerfile with the engine that is there")
            .args::<BuildFlags>()
            .plans()
            .run(build),
        push: pack
            .task("image:push")
            .about("Build images and push them, to the registries of all regions")
            .args::<PushFlags>()
            .danger_unless_local()
            .plans()
            .run(push),
        list: pack
            .task("image:list")
            .about("List the images in the registry: tags, digests, sizes, times")
            .args::<BuildFlags>()
            .read_only()
            .run(list),
        promote: pack
            .task("image:promote")
            .about("Bring an image of another environment here, by its digest")
            .args::<PromoteFlags>()
            .danger_unless_local()
            .plans()
            .run(promote),
        scan: pack
            .task("image:scan")
            .about("Let an image pass, or not, by what the registry's scan finds")
            .args::<ScanFlags>()
            .run(scan),
    }
}

fn name_arg() -> Arg {
    Arg::new("name").value_name("NAME").help("The image as infra.toml calls it; default: all of them")
}

fn tag_arg(help: &'static str) -> Arg {
    Arg::new("tag").long("tag").value_name("TAG").action(ArgAction::Append).help(help)
}

fn tags(matches: &ArgMatches) -> Result<Vec<Tag>> {
    matches.get_many::<String>("tag").into_iter().flatten().map(Tag::new).collect()
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

struct BuildFlags {
    name: Option<String>,
}

impl TaskArgs for BuildFlags {
    fn augment(command: Command) -> Command {
        command.arg(name_arg())
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(BuildFlags { name: text(matches, "name") })
    }
}

struct PushFlags {
    name: Option<String>,
    tags: Vec<Tag>,
}

impl TaskArgs for PushFlags {
    fn augment(command: Command) -> Command {
        let help = "A tag, instead of what `git describe` says; may be given several times";
        command.arg(name_arg()).arg(tag_arg(help))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(PushFlags { name: text(matches, "name"), tags: tags(matches)? })
    }
}

struct PromoteFlags {
    image: ImageRef,
    from: EnvName,
    tags: Vec<Tag>,
}

impl TaskArgs for PromoteFlags {
    fn augment(command: Command) -> Command {
        let image = Arg::new("image").value_name("NAME@DIGEST|NAME:TAG").required(true);
        let from = Arg::new("from").long("from").value_name("ENV").required(true);
        command
            .arg(image.help("The image and its version in the environment it comes from"))
            .arg(from.help("The environment it comes from; `--env` is where it goes"))
            .arg(tag_arg("A tag here, instead of those it has there; may be given several times"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let (image, from) = (text(matches, "image").unwrap_or_default(), text(matches, "from"));
        let from = EnvName::new(from.unwrap_or_default())?;
        Ok(PromoteFlags { image: image.parse()?, from, tags: tags(matches)? })
    }
}

struct ScanFlags {
    image: Option<ImageRef>,
    threshold: Severity,
    wait: ScanWait,
}

impl TaskArgs for ScanFlags {
    fn augment(command: Command) -> Command {
        let image = Arg::new("image").value_name("NAME[@DIGEST|:TAG]");
        let threshold = Arg::new("threshold").long("threshold").value_name("SEVERITY").default_value("high");
        let wait = Arg::new("wait").long("wait").value_name("SECONDS").default_value("600");
        command
            .arg(image.help("Default: the image that is deployed, in the version `git describe` names"))
            .arg(threshold.help(
                "What is refused, with everything worse: critical, high, medium, low, informational or undefined. \
                 Ends with 10 when something is",
            ))
            .arg(wait.value_parser(value_parser!(u64)).help("How long the scan may take"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let limit = Duration::from_secs(matches.get_one("wait").copied().unwrap_or(600));
        let threshold = text(matches, "threshold").unwrap_or_default().parse()?;
        let image = text(matches, "image").map(|image| image.parse()).transpose()?;
        Ok(ScanFlags { image, threshold, wait: ScanWait { limit, ..ScanWait::default() } })
    }
}

async fn build(cx: Cx, flags: BuildFlags) -> Result<()> {
    let infra = cx.infra().await?;
    for name in infra.images_meant(flags.name.as_deref())? {
        if cx.is_dry_run() {
            cx.report(&infra.plan_image(name.as_str()).await?);
        } else {
            cx.report(&infra.build_image(name.as_str()).await?);
        }
    }
    Ok(())
}

/// A dry run builds, too: only what is built has a digest to compare.
async fn push(cx: Cx, flags: PushFlags) -> Result<()> {
    let infra = cx.infra().await?;
    // All of them first: one that cannot be built leaves no other one pushed.
    let mut built = Vec::new();
    for name in infra.images_meant(flags.name.as_deref())? {
        built.push(infra.build_image(name.as_str()).await?);
    }
    for image in &built {
        if cx.is_dry_run() {
            cx.report(&infra.plan_push(image, &flags.tags).await?);
        } else {
            cx.report(&infra.push_image(image, &flags.tags).await?);
        }
    }
    Ok(())
}

async fn list(cx: Cx, flags: BuildFlags) -> Result<()> {
    cx.report(&cx.infra().await?.list_images(flags.name.as_deref()).await?);
    Ok(())
}

async fn promote(cx: Cx, flags: PromoteFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let PromoteFlags { image, from, tags } = &flags;
    if cx.is_dry_run() {
        cx.report(&infra.plan_promote(from, image, tags).await?);
    } else {
        cx.report(&infra.promote(from, image, tags).await?);
    }
    Ok(())
}

async fn scan(cx: Cx, flags: ScanFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let image = match flags.image {
        Some(image) => image,
        None => ImageRef { name: infra.settings().image_to_deploy()?.0.clone(), at: None },
    };
    let report = infra.scan_image(&image, flags.threshold, flags.wait).await?;
    cx.report(&report);
    report.require_passed().map_err(|error| error.exit_with(exit::REFUSED))
}
