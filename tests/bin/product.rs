//! The xtask of a product that uses the whole local provider: build, read, publish, push, roll out.

use std::process::ExitCode;
use std::sync::Arc;

use infra_sdk::clap::{Arg, ArgAction, ArgMatches, Command};
use infra_sdk::{App, BuiltImage, Cx, Error, InfraTasks, Result, TaskArgs};
use serde::{Deserialize, Serialize};

/// What the infrastructure repo promises.
#[derive(Debug, Deserialize)]
struct Network {
    vpc_name: String,
    zones: Vec<String>,
}

/// What this product promises.
#[derive(Serialize)]
struct Api {
    version: u32,
    paths: Vec<String>,
}

/// `--set NAME=VALUE`, given to the service.
struct DeployFlags {
    set: Vec<(String, String)>,
}

impl TaskArgs for DeployFlags {
    fn augment(command: Command) -> Command {
        let set = Arg::new("set").long("set").value_name("NAME=VALUE").action(ArgAction::Append);
        command.arg(set.help("A variable of the service"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let split = |text: &String| {
            let (name, value) =
                text.split_once('=').ok_or_else(|| Error::invalid("--set needs NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        let set =
            matches.get_many::<String>("set").into_iter().flatten().map(split).collect::<Result<_>>()?;
        Ok(DeployFlags { set })
    }
}

fn main() -> ExitCode {
    infra_sdk::main(tasks)
}

fn tasks(app: &mut App, infra: &InfraTasks) {
    infra.refs.expect::<Network>("network");
    let build = app.task("build").about("Build the image").run(build);
    app.task("deploy")
        .about("Ship the service")
        .args::<DeployFlags>()
        .after((infra.secrets.test, infra.refs.check))
        .needs(build)
        .danger_unless_local()
        .run(deploy);
    app.task("promise").about("Publish what others may use").run(promise);
}

async fn build(cx: Cx) -> Result<BuiltImage> {
    cx.infra().await?.build().await
}

async fn deploy(cx: Cx, flags: DeployFlags, image: Arc<BuiltImage>) -> Result<()> {
    let infra = cx.infra().await?;
    let network: Network = infra.read("network").await?;
    let mut release = infra.push(&image).await?.env("VPC", network.vpc_name);
    release = release.env("ZONES", network.zones.join(" "));
    for (name, value) in flags.set {
        release = release.env(name, value);
    }
    cx.report(&infra.rollout(release).await?);
    Ok(())
}

async fn promise(cx: Cx) -> Result<()> {
    let api = Api { version: 3, paths: vec!["/healthz".into(), "/env".into()] };
    cx.report(&cx.infra().await?.publish("/shop/api", &api).await?);
    Ok(())
}
