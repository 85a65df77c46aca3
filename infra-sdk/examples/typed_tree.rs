//! Publishes a typed struct as a tree of parameters, and reads it back: what repos do for each other, without tasks.
//!
//! ```sh
//! echo '{"vpc_id": "vpc-1", "zones": ["a", "b"], "nat": {"address": "10.0.0.1", "shared": true}}' > network.json
//! cargo run --example typed_tree -- publish network.json /infrastructure/network
//! cargo run --example typed_tree -- read /infrastructure/network
//! ```
//!
//! The tree lies under `INFRA_HOME`, or in the folder of `--store DIR`. With the folder `ORG/local/params` of an
//! `INFRA_HOME`, `read` shows what an organisation's repos published on this machine.

use std::process::ExitCode;

use infra_sdk::app::exit;
use infra_sdk::local::LocalParameters;
use infra_sdk::names::ParamPath;
use infra_sdk::{Env, Error, Result, ResultExt, refs};
use serde::{Deserialize, Serialize};

/// What is published: the struct is the contract. Its fields become `vpc-id`, `zones`, `nat/address`, ….
#[derive(Serialize, Deserialize)]
struct Network {
    vpc_id: String,
    zones: Vec<String>,
    nat: Option<Nat>,
}

#[derive(Serialize, Deserialize)]
struct Nat {
    address: String,
    shared: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let said = run(std::env::args().skip(1).collect()).await;
    let Err(error) = said.map(|text| println!("{text}")) else { return ExitCode::SUCCESS };
    eprintln!("error: {}", error.report());
    ExitCode::from(exit::code_of(&error))
}

async fn run(mut args: Vec<String>) -> Result<String> {
    let folder = match args.iter().position(|arg| arg == "--store") {
        Some(at) if at + 1 < args.len() => args.drain(at..at + 2).nth(1).unwrap_or_default().into(),
        Some(_) => return Err(usage()),
        None => Env::of_process()?.infra_home()?.join("typed-tree"),
    };
    let store = LocalParameters::new(folder);
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["publish", json, path] => {
            let network: Network = parse(json)?;
            Ok(refs::publish(&store, &ParamPath::new(path)?, &network).await?.to_string())
        }
        ["read", path] => {
            let network: Network = refs::read(&store, &ParamPath::new(path)?).await?;
            serde_json::to_string_pretty(&network).map_err(|error| Error::invalid("show it").because(error))
        }
        _ => Err(usage()),
    }
}

fn parse(json: &str) -> Result<Network> {
    let text = std::fs::read(json).context(format!("read {json}"))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::invalid(format!("{json} does not hold a network"))
            .because(error)
            .hint("write it like the example at the top of typed_tree.rs")
    })
}

fn usage() -> Error {
    Error::invalid("the arguments are not understood")
        .hint("use `publish FILE.json PATH` or `read PATH`, and `--store DIR` if you like")
        .exit_with(exit::USAGE)
}
