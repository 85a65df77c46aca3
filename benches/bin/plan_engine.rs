//! One job of the plan engine on files, for measuring time and memory from outside: `plan-engine JOB FILE...`.
//!
//! The largest resident size goes to the standard error, where the system tells it: seen from outside it would hold what
//! the program that started this one needs.

use std::process::ExitCode;

use infra_sdk::plan::verdict::compare;
use infra_sdk::plan::{COMMENT_LIMIT, Page, PlanJson, Stack, Summary, Veil};
use infra_sdk::{Error, Result};
use serde_json::Value;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = run(&args);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        eprintln!("peak {}", peak.trim());
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        // Only reads the file: what every other job needs for that alone.
        ["read", path] => println!("{} bytes", PlanJson::read(path)?.as_bytes().len()),
        ["summary", path] => println!("{}", Summary::of(&PlanJson::read(path)?.plan()?)?),
        ["value", path] => {
            let json = PlanJson::read(path)?;
            let tree: Value = serde_json::from_slice(json.as_bytes()).expect("it is JSON");
            let entries = tree["resource_changes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let count = |name: &str| {
                let has = |entry: &&Value| {
                    entry["change"]["actions"]
                        .as_array()
                        .is_some_and(|actions| actions.iter().any(|it| it == name))
                };
                entries.iter().filter(has).count()
            };
            let (add, change, destroy) = (count("create"), count("update"), count("delete"));
            println!("{add} to add, {change} to change, {destroy} to destroy");
        }
        ["compare", approved, replan] => {
            let (approved, replan) = (PlanJson::read(approved)?, PlanJson::read(replan)?);
            println!("{}", compare(&approved.plan()?, &replan.plan()?)?);
        }
        ["comment", path] => {
            let json = PlanJson::read(path)?;
            let plan = json.plan()?;
            println!(
                "{}",
                Page::of([Stack::new("shop", &plan)], Veil::default())?.markdown("shop", COMMENT_LIMIT)?
            );
        }
        _ => {
            return Err(Error::invalid("plan-engine JOB FILE")
                .hint("the jobs are read, summary, compare, comment and value"));
        }
    }
    Ok(())
}
