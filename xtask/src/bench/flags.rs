//! The command line of `bench`.

use infra_sdk::{Cx, Result};

use crate::bench::{build, graph, images, plan, refs, runs, secrets, startup};

/// The flags of `bench`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// What to measure
    #[arg(value_enum)]
    what: What,
    /// How many rounds [default: 40 for startup, 2 for build, 7 for plan, 5 for images, 3 for refs and runs]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// For build: only this feature, `none` or `full`; may be given several times
    #[arg(long, value_name = "FEATURE")]
    only: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// Listing ten tasks and running an empty one, beside just and go-task
    Startup,
    /// The clean build of a minimal consumer, with no feature and with each alone
    Build,
    /// What the runtime adds to a task, on 10,000 tasks
    Graph,
    /// Writing 50 secrets to GitHub, AWS and Cloudflare, beside gh, aws, boto3 and wrangler
    Secrets,
    /// Summarising plans of up to 100,000 resources, beside jq, Python, terraform show and two summarisers
    Plan,
    /// Building an image of 1,000 files beside buildah, and pushing one of 50 MB beside skopeo
    Images,
    /// Reading 1,000 parameters of AWS, beside boto3 and aws
    Refs,
    /// Deploying 200 repos with 20 agents over NATS, at what cost, and while all of it is killed at random
    Runs,
}

/// The task.
///
/// # Errors
/// What the chosen measurement fails with.
pub(crate) async fn run(cx: Cx, flags: Flags) -> Result<()> {
    match flags.what {
        What::Startup => cx.report(&startup::measure(&cx, flags.rounds.unwrap_or(40)).await?),
        What::Build => cx.report(&build::measure(&cx, flags.rounds.unwrap_or(2), &flags.only).await?),
        What::Graph => graph::measure(&cx).await?,
        What::Plan => cx.report(&plan::measure(&cx, flags.rounds.unwrap_or(7)).await?),
        What::Images => cx.report(&images::measure(&cx, flags.rounds.unwrap_or(5)).await?),
        What::Refs => cx.report(&refs::measure(&cx, flags.rounds.unwrap_or(3)).await?),
        What::Runs => cx.report(&runs::measure(&cx, flags.rounds.unwrap_or(3)).await?),
        What::Secrets => cx.report(&secrets::measure(&cx).await?),
    }
    Ok(())
}
