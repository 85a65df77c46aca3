//! Whether the Workers that a repo needs are there, and what to do about one that is not.

use std::collections::BTreeMap;

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::health_needs::WorkerNeed;
use crate::cloudflare::health_probes::Findings;
use crate::cloudflare::permissions::Permission;
use crate::error::{Error, Result};
use crate::health::{Probe, State};
use crate::http::Method;

/// Whether the Workers are there and can be read; `own` is the account where none is named.
pub(super) async fn workers(cloudflare: &Cloudflare, workers: &[WorkerNeed], own: Option<&str>) -> Probe {
    // Each is asked for once, whatever needs it.
    let mut all: BTreeMap<(Option<&str>, &str), Vec<&WorkerNeed>> = BTreeMap::new();
    for need in workers {
        all.entry((need.account.as_deref().or(own), &need.script)).or_default().push(need);
    }
    let mut findings = Findings::new();
    for ((account, script), needs) in all {
        let whys: Vec<&str> = needs.iter().map(|need| need.why.as_str()).collect();
        let told = format!("{script}, for {}", whys.join(", "));
        for error in needs.iter().filter_map(|need| need.releases.as_ref()?.uses().err()) {
            findings.error(script, &error);
        }
        let Some(account) = account else {
            let released = needs.iter().all(|need| need.releases.is_some());
            let place = if released { "under `[deploy]`" } else { "of the store" };
            findings.add(State::Failed, format!("{told}: no account is named"));
            findings.hint(format!("set CLOUDFLARE_ACCOUNT_ID, or `account` {place} in infra.toml"));
            continue;
        };
        match seen(cloudflare, account, script).await {
            Ok(()) => findings.add(State::Ok, told),
            Err(error) if is_no_worker(&error) => missing(&mut findings, &told, &needs),
            Err(error) => findings.error(script, &error),
        }
    }
    findings.probe("workers")
}

/// The routes that the first rollout is to make, with the Worker they lead to: one that is there keeps its own.
pub(super) async fn routes_to_make<'a>(
    cloudflare: &Cloudflare,
    workers: &'a [WorkerNeed],
    own: Option<&str>,
) -> Vec<(&'a str, Vec<String>)> {
    let mut all = Vec::new();
    for worker in workers {
        let routes = worker.uses().routes;
        let Some(account) = worker.account.as_deref().or(own).filter(|_| !routes.is_empty()) else {
            continue;
        };
        // What else is wrong is told with the Worker.
        if seen(cloudflare, account, &worker.script).await.is_err_and(|error| is_no_worker(&error)) {
            all.push((worker.script.as_str(), routes));
        }
    }
    all
}

/// What it means that a Worker is not there depends on what needs it.
fn missing(findings: &mut Findings, told: &str, needs: &[&WorkerNeed]) {
    if needs.iter().all(|need| need.releases.is_some()) {
        findings.add(State::Ok, format!("{told}, is made by the first rollout"));
        return;
    }
    findings.add(State::Degraded, format!("{told}, was not deployed yet"));
    findings.hint(if needs.iter().any(|need| need.releases.is_some()) {
        "roll out first: the first rollout makes the Worker, and secrets belong to one that exists"
    } else {
        "deploy the Worker first: secrets belong to one that exists"
    });
}

fn is_no_worker(error: &Error) -> bool {
    error.context().any(|(key, code)| key == "code" && (code == "10007" || code == "10090"))
}

async fn seen(cloudflare: &Cloudflare, account: &str, script: &str) -> Result<()> {
    // Its names and addresses are checked as those of every Worker are.
    let _checked = cloudflare.worker_secrets(Some(account), script)?;
    let path = ["accounts", account, "workers", "scripts", script, "secrets"];
    let call = cloudflare.call(Method::Get, &path)?;
    cloudflare.permitted::<serde::de::IgnoredAny>(call, Permission::SCRIPTS).await.map(drop)
}
