//! Publishes a tree of parameters to Parameter Store, or reads it, for `cargo xtask bench refs`: `reader publish|read COUNT`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use infra_sdk::aws::{Aws, SsmParameters};
use infra_sdk::{Env, Error, Result, ResultExt, refs};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match work(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn work(args: &[String]) -> Result<()> {
    let [what, count] = args else {
        return Err(Error::invalid("arguments are missing").hint("give publish or read, and a count"));
    };
    let count: usize = count.parse().context("read the count")?;
    let store = SsmParameters::new(Aws::connect(&Env::of_process()?, None)?, None)?;
    let path = "/bench/tree".parse()?;
    let tree: BTreeMap<String, String> =
        (0..count).map(|at| (format!("value-{at:04}"), format!("value number {at}"))).collect();
    match what.as_str() {
        "publish" => println!("{}", refs::publish(&store, &path, &tree).await?.written.len()),
        "read" => {
            let read: BTreeMap<String, String> = refs::read(&store, &path).await?;
            if read != tree {
                return Err(Error::invalid("what was read is not what was published"));
            }
            println!("{}", read.len());
        }
        _ => return Err(Error::invalid("no such thing to do").hint("use publish or read")),
    }
    Ok(())
}
