//! Syncs a `.env` file to one store, for `cargo xtask bench secrets`: `syncer KIND FILE FOLDER [WRITES-A-SECOND]`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use infra_sdk::aws::{Aws, SsmSecrets};
use infra_sdk::cloudflare::Cloudflare;
use infra_sdk::github::Github;
use infra_sdk::local::LocalSecrets;
use infra_sdk::names::SecretName;
use infra_sdk::secrets::{KeyKeeper, SecretStore, SyncOptions, SyncState, SyncTarget, plan_sync};
use infra_sdk::{CancelToken, Env, Error, Result, ResultExt, SecretValue};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match sync(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn sync(args: &[String]) -> Result<()> {
    let [kind, file, folder, pace @ ..] = args else {
        return Err(Error::invalid("arguments are missing").hint("give a kind, a file and a folder"));
    };
    let env = Env::of_process()?;
    let folder = env.cwd().join(folder);
    let key = LocalSecrets::new(&folder).fingerprint_key().await?;
    let state = SyncState::open(folder.join("sync.state"), folder.join("seen"), key);
    let pace = pace.first().map(|pace| pace.parse()).transpose().context("read the pace")?;
    let target =
        SyncTarget { label: kind.parse()?, store: store(kind, &env)?, values: values(file.as_ref())?, retired: Default::default(), pace };
    let plan = plan_sync(vec![target], state, SyncOptions::default()).await?;
    let report = plan.apply("bench", Arc::new(()), &CancelToken::new()).await?;
    println!("{report}");
    report.complete()
}

fn store(kind: &str, env: &Env) -> Result<Arc<dyn SecretStore>> {
    match kind {
        "github" => Ok(Arc::new(Github::new(env)?.repository_secrets("acme/shop")?)),
        "ssm" => Ok(Arc::new(SsmSecrets::new(Aws::connect(env, None)?, "/shop/", None)?)),
        "worker" => Ok(Arc::new(Cloudflare::new(env)?.worker_secrets(None, "shop")?)),
        _ => Err(Error::invalid("no such kind of store").hint("use github, ssm or worker")),
    }
}

/// Lines of `NAME=value`, without quotes.
fn values(file: &Path) -> Result<std::collections::BTreeMap<SecretName, SecretValue>> {
    let text = std::fs::read_to_string(file).context("read the secrets")?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| Ok((name.parse()?, SecretValue::new(value)))).collect()
}
