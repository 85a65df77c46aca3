//! A program that rolls out and is its own supervisor, to be killed at any moment.
//!
//! `deployer FOLDER SERVICE rollout [NAME=VALUE…]` rolls out an image made of the file SERVICE; `stop` and `status` do so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use infra_sdk::config::Deploy;
use infra_sdk::deploy::{ReleaseSpec, RolloutOptions, rollout, status, stop};
use infra_sdk::local::{ImageSource, LocalDeploy, UnpackedImage};
use infra_sdk::{Digest, Env, Error, Result};

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
    let [folder, service, verb, variables @ ..] = args.as_slice() else {
        return Err(Error::invalid("needs FOLDER SERVICE VERB"));
    };
    let target = LocalDeploy::new(folder, Arc::new(OneFile(service.into())), &Env::of_process()?);
    match verb.as_str() {
        "rollout" => {
            let mut spec = ReleaseSpec::new("shop-api".parse()?, "app", Digest::of(service.as_bytes()), "1");
            for (name, value) in variables.iter().filter_map(|variable| variable.split_once('=')) {
                match name {
                    "port" => spec.port = value.parse().ok(),
                    _ => drop(spec.env.insert(name.into(), value.into())),
                }
            }
            let options = RolloutOptions::new(&Deploy::default(), "deployer");
            Ok(rollout(&target, &spec, &options, &|step| println!("{step}")).await?.to_string())
        }
        "stop" => Ok(format!("{:?}", stop(&target, "deployer").await?)),
        _ => Ok(status(&target).await?.to_string()),
    }
}

/// An image that holds one program.
struct OneFile(PathBuf);

#[async_trait::async_trait]
impl ImageSource for OneFile {
    async fn unpack(&self, _: &str, _: &Digest, into: &Path) -> Result<UnpackedImage> {
        std::fs::create_dir_all(into.join("app"))?;
        std::fs::copy(&self.0, into.join("app/service"))?;
        Ok(UnpackedImage { rootfs: into.into(), entrypoint: vec!["/app/service".into()], env: BTreeMap::new() })
    }
}
