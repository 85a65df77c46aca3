//! A program that builds an image, rolls it out and is its own supervisor, to be killed at any moment.
//!
//! `deployer DIR build` makes an image of `DIR/files`, `deployer DIR rollout [NAME=VALUE…]` runs it with these variables;
//! `wait`, `port` and `health` set what `[deploy]` would. `deployer DIR stop`, `rollback` and `status` do so.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{ReleaseSpec, RolloutOptions, rollback, rollout, status, stop};
use infra_sdk::images::{self, ImageSpec};
use infra_sdk::local::{LocalDeploy, LocalRegistry};
use infra_sdk::{Env, Error, Result};

fn main() -> ExitCode {
    if let Some(code) = infra_sdk::local::supervise_if_asked(std::env::args_os()) {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(work(std::env::args().skip(1).collect())) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn work(args: Vec<String>) -> Result<String> {
    let [dir, verb, settings @ ..] = args.as_slice() else {
        return Err(Error::invalid("needs DIR and VERB"));
    };
    let dir = Path::new(dir);
    let registry = Arc::new(LocalRegistry::new(dir.join("images")));
    let target = LocalDeploy::new(dir.join("deploy/shop-api"), registry.clone(), &Env::of_process()?);
    let mut options = RolloutOptions::new(&target, &Deploy::default(), "deployer");
    let tell = |step| println!("{step}");
    match verb.as_str() {
        "build" => {
            let image = ImageSpec::new("shop-api/app".parse()?, dir.join("files"), ["service"]);
            let image = images::build(&image, &dir.join("build")).await?;
            images::push(&*registry, &image, &[]).await?;
            std::fs::write(dir.join("digest"), image.digest().as_str())?;
            Ok(image.digest().to_string())
        }
        "rollout" => {
            let digest = std::fs::read_to_string(dir.join("digest"))?.parse()?;
            let mut spec = ReleaseSpec::new("shop-api".parse()?, "shop-api/app".parse()?, digest, "1");
            for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
                match name {
                    "port" => spec.port = value.parse().ok(),
                    "wait" => options.wait = Duration::from_secs(value.parse().unwrap_or_default()),
                    "health" => spec.health = value.into(),
                    _ => drop(spec.env.insert(name.into(), value.into())),
                }
            }
            Ok(rollout(&target, &spec, &options, &tell).await?.to_string())
        }
        "rollback" => Ok(rollback(&target, None, &options, &tell).await?.to_string()),
        "stop" => Ok(format!("{:?}", stop(&target, "deployer").await?)),
        _ => Ok(status(&target).await?.to_string()),
    }
}
