//! One job of the plan engine on files, for measuring time and memory from outside: `plan-engine JOB FILE...`.

use std::process::ExitCode;

use infra_sdk::plan::{PlanJson, Summary};
use infra_sdk::{Error, Result};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        // Only reads the file: what memory every other job needs for that alone.
        ["read", path] => println!("{}", PlanJson::read(path)?.as_bytes().len()),
        ["summary", path] => println!("{}", Summary::of(&PlanJson::read(path)?.plan()?)?.counts),
        ["value", path] => {
            let json = PlanJson::read(path)?;
            let value: serde_json::Value = serde_json::from_slice(json.as_bytes()).expect("it is JSON");
            println!("{}", value["resource_changes"].as_array().map_or(0, Vec::len));
        }
        _ => return Err(Error::invalid("plan-engine JOB FILE").hint("the jobs are read, summary and value")),
    }
    Ok(())
}
