//! Judging plans through a product's command line: rules, policies in Rego, their limits and their tests.

mod check;
mod limits;
mod organisation;
mod tests_of_policies;

use support::{Finished, Run, Scratch};

/// A service's repo with this `[policy]`.
pub(crate) fn shop(policy: &str) -> Scratch {
    let scratch = Scratch::new("policy");
    let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[policy]\n";
    scratch.write("repo/infra.toml", format!("{project}{policy}\n"));
    scratch
}

/// The repo's xtask with these arguments.
pub(crate) fn xtask(scratch: &Scratch, args: &[&str]) -> Finished {
    Run::new(env!("CARGO_BIN_EXE_consumer"), &scratch.join("repo"))
        .env("INFRA_HOME", scratch.join("home"))
        .args(args)
        .finish()
}

/// A plan that somebody else's Terraform made.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/../../shared/fixtures/plans/{name}", env!("CARGO_MANIFEST_DIR"));
    assert!(std::path::Path::new(&path).is_file(), "the fixture {name} is missing");
    path
}

/// A plan with queues that are created, with these names.
pub(crate) fn queues(names: &[&str]) -> String {
    let one = |name: &&str| {
        format!(
            r#"{{"address": "aws_sqs_queue.{name}", "mode": "managed", "type": "aws_sqs_queue", "name": "{name}",
                "change": {{"actions": ["create"], "before": null, "after": {{"name": "{name}", "key": "hunter2-hunter2"}},
                "after_sensitive": {{"key": true}}}}}}"#
        )
    };
    let all: Vec<String> = names.iter().map(one).collect();
    format!(
        r#"{{"format_version": "1.2", "terraform_version": "1.14.0", "resource_changes": [{}]}}"#,
        all.join(",")
    )
}
