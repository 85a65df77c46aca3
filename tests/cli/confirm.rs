//! Dangerous tasks: asked before anything runs, never by accident.

use crate::{INFRA_TOML, shop, xtask};

const PROTECTED: &str = "\n[env.production]\nprovider = \"local\"\nprotected = true\n";

#[test]
fn a_dangerous_task_without_a_terminal_says_which_flag_it_needs() {
    let scratch = shop(INFRA_TOML);
    let refused = xtask(&scratch, &["deploy"]).finish().expect(3);
    refused.says(&["--yes=deploy"]);
    assert!(!refused.stdout.contains("shipped"));
}

#[test]
fn a_confirmed_task_runs() {
    let done = xtask(&shop(INFRA_TOML), &["deploy", "--yes=deploy"]).finish().expect(0);
    assert!(done.stdout.contains("shipped 42 to local"), "{}", done.stdout);
}

#[test]
fn a_confirmation_of_another_task_does_not_count() {
    let scratch = shop(INFRA_TOML);
    drop(xtask(&scratch, &["deploy", "--yes=build"]).finish().expect(3));
}

#[test]
fn a_protected_environment_must_be_named() {
    let scratch = shop(&format!("{INFRA_TOML}{PROTECTED}"));
    let refused = xtask(&scratch, &["deploy", "--env", "production", "--yes=deploy"]).finish().expect(3);
    refused.says(&["production"]);
    let done =
        xtask(&scratch, &["deploy", "--env", "production", "--yes=deploy", "--confirm-env", "production"])
            .finish()
            .expect(0);
    assert!(done.stdout.contains("shipped 42 to production"), "{}", done.stdout);
}

#[test]
fn a_dry_run_runs_nothing() {
    let planned = xtask(&shop(INFRA_TOML), &["deploy", "--dry-run"]).finish().expect(0);
    assert!(!planned.stdout.contains("shipped") && !planned.stderr.contains("shipped"));
}
