//! Keeps an approval of a Terraform plan without the plan, and asks later whether a new plan does more: a gate for a CI of
//! your own.
//!
//! ```sh
//! terraform show -json plan.tfplan > plan.json
//! APPROVAL_KEY=$(openssl rand -hex 32) cargo run --example plan_verdict -- approve plan.json approval.json
//! APPROVAL_KEY=… cargo run --example plan_verdict -- check approval.json new-plan.json   # 0, or 2 wider, 3 unrelated
//! ```

use std::path::Path;
use std::process::ExitCode;

use infra_sdk::app::exit;
use infra_sdk::file::{self, Access};
use infra_sdk::plan::verdict::{Approval, ApprovalKey};
use infra_sdk::plan::{PlanJson, Summary, Veil};
use infra_sdk::{Env, Error, ErrorKind, Result, SecretValue};

fn main() -> ExitCode {
    let Err(error) = run(std::env::args().skip(1).collect()) else { return ExitCode::SUCCESS };
    eprintln!("error: {}", error.report());
    ExitCode::from(exit::code_of(&error))
}

fn run(args: Vec<String>) -> Result<()> {
    let env = Env::of_process()?;
    let key = env.get("APPROVAL_KEY").ok_or_else(|| {
        Error::not_found("APPROVAL_KEY is not set")
            .hint("set it to 64 hexadecimal digits that only this gate knows")
    })?;
    let key = ApprovalKey::from_hex(&SecretValue::new(key))?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["approve", plan, out] => approve(Path::new(plan), &key, Path::new(out)),
        ["check", approval, plan] => check(Path::new(approval), &key, Path::new(plan)),
        _ => Err(Error::invalid("the arguments are not understood")
            .hint("use `approve PLAN OUT` or `check APPROVAL PLAN`")
            .exit_with(exit::USAGE)),
    }
}

/// Shows a person what is approved, and keeps digests of it: no value of the plan stands in the file.
fn approve(plan: &Path, key: &ApprovalKey, out: &Path) -> Result<()> {
    let json = PlanJson::read(plan)?;
    let plan = json.plan()?;
    println!("{}", Veil::of(&plan)?.apply(&Summary::of(&plan)?.to_string()));
    file::write_json(out, &Approval::of(&plan, key)?, Access::Shared)
}

fn check(approval: &Path, key: &ApprovalKey, plan: &Path) -> Result<()> {
    let Some(kept) = file::read(approval, 128 << 20)? else {
        return Err(Error::not_found("there is no approval")
            .with("path", approval.display())
            .hint("approve a plan first"));
    };
    let json = PlanJson::read(plan)?;
    let plan = json.plan()?;
    let comparison = Approval::parse(&kept)?.compare(&plan, key)?;
    println!("{}", Veil::of(&plan)?.apply(&comparison.to_string()));
    if comparison.allows_apply() {
        return Ok(());
    }
    // A smaller plan can be a trap, too: a change that vanished without having been carried out.
    Err(Error::new(ErrorKind::Denied, "the new plan was not approved")
        .hint("look at it and approve it again")
        .exit_with(comparison.verdict.exit_code().max(2)))
}
