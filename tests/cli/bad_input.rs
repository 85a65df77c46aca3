//! Wrong input of every kind ends with a clear error that says what to do, and changes nothing.

use support::Run;

use crate::{INFRA_TOML, shop, xtask};

/// Runs `args` on `infra_toml` and expects this exit code and each of these texts on standard error.
fn refused(infra_toml: &str, args: &[&str], code: i32, texts: &[&str]) {
    let scratch = shop(infra_toml);
    let finished = xtask(&scratch, args).finish().expect(code);
    finished.says(texts);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!scratch.join("home").exists(), "something was written");
}

#[test]
fn an_unknown_task_names_the_nearest() {
    refused(INFRA_TOML, &["deplyo"], 2, &["deplyo", "deploy"]);
    refused(INFRA_TOML, &["infra:secrets:tset"], 2, &["infra:secrets:test"]);
}

#[test]
fn an_unknown_environment_names_the_known_ones() {
    let toml = format!("{INFRA_TOML}[env.staging]\n");
    refused(&toml, &["build", "--env", "stagin"], 5, &["stagin", "staging"]);
}

#[test]
fn a_name_that_could_leave_its_folder_is_refused() {
    for bad in ["../x", "a/b", "a b", "a\\nb", "", &"x".repeat(300)] {
        let toml = INFRA_TOML.replace("\"shop\"", &format!("\"{bad}\""));
        refused(&toml, &["infra:config:show"], 4, &["infra.toml:2:", "project"]);
        let toml = format!("{INFRA_TOML}[env.\"{bad}\"]\n");
        refused(&toml, &["infra:config:show"], 4, &["infra.toml"]);
    }
    for bad in ["../x", "a/b", "a b", "x\ny"] {
        refused(INFRA_TOML, &["build", "--env", bad], 4, &["environment"]);
    }
}

#[test]
fn an_unknown_key_has_its_place_and_the_nearest() {
    let toml = INFRA_TOML.replace("kind", "kidn");
    refused(&toml, &["infra:config:show"], 4, &["infra.toml:3:1", "kidn", "kind"]);
    let toml = format!("{INFRA_TOML}[deploy]\nprot = 80\n");
    refused(&toml, &["infra:config:show"], 4, &["infra.toml:6:1", "prot", "port"]);
}

#[test]
fn an_infra_toml_that_is_none_is_refused() {
    refused("", &["infra:config:show"], 4, &["infra.toml", "[project]"]);
    refused("[project\n", &["infra:config:show"], 4, &["infra.toml:1:"]);
    refused(&"# filler\n".repeat(5_600_000), &["infra:config:show"], 4, &["infra.toml", "larger"]);
    let scratch = shop(INFRA_TOML);
    scratch.write("repo/infra.toml", b"[project]\nname = \"\xff\"\n");
    xtask(&scratch, &["infra:config:show"]).finish().expect(4).says(&["infra.toml:2:9", "UTF-8"]);
}

#[test]
fn no_infra_toml_at_all_says_how_to_write_one() {
    let scratch = support::Scratch::new("cli");
    scratch.write("repo/README.md", "");
    xtask(&scratch, &["infra:config:show"]).finish().expect(5).says(&["infra.toml", "next:"]);
}

#[test]
fn all_missing_secrets_are_listed_at_once() {
    let toml = format!(
        "{INFRA_TOML}[secrets.ALPHA]\ndescription = \"the first\"\n[secrets.BETA]\n[secrets.GAMMA]\noptional = true\n"
    );
    let scratch = shop(&toml);
    let failed = xtask(&scratch, &["infra:secrets:test"]).finish().expect(5);
    failed.says(&["ALPHA", "BETA", "next:"]);
    assert!(!failed.stderr.contains("GAMMA"), "{}", failed.stderr);
    xtask(&scratch, &["infra:secrets:setup"]).finish().expect(5).says(&["ALPHA", "BETA", ".env"]);
}

#[test]
fn all_missing_references_are_listed_at_once() {
    let toml =
        format!("{INFRA_TOML}[refs]\nnetwork = \"/infrastructure/network\"\ndns = \"/infrastructure/dns\"\n");
    let scratch = shop(&toml);
    let failed = xtask(&scratch, &["infra:refs:check"]).finish().expect(5);
    failed.says(&["/infrastructure/network", "/infrastructure/dns", "next:"]);
}

#[test]
fn a_broken_env_file_shows_its_place_and_never_its_text() {
    let scratch = shop(&format!("{INFRA_TOML}[secrets.ALPHA]\n"));
    scratch.write("repo/.env", "ALPHA=\"hunter2-canary\n");
    let failed = xtask(&scratch, &["infra:secrets:setup"]).finish().expect(4);
    failed.says(&[".env:1:"]);
    assert!(!format!("{}{}", failed.stdout, failed.stderr).contains("canary"));
}

#[test]
fn what_a_provider_does_not_keep_is_not_sought_in_a_feature() {
    let toml = format!(
        "{INFRA_TOML}[env.staging]\nprovider = \"cloudflare\"\n[refs]\nnetwork = \"/infrastructure/network\"\n"
    );
    let says = ["Cloudflare keeps no references", "provider = \"aws\""];
    refused(&toml, &["infra:refs:check", "--env", "staging"], 4, &says);
}

#[cfg(unix)]
#[test]
fn a_relative_infra_home_is_refused() {
    let scratch = shop(INFRA_TOML);
    let failed = xtask(&scratch, &["infra:ledger:show"]).env("INFRA_HOME", "some/where").finish().expect(4);
    failed.says(&["INFRA_HOME", "next:"]);
}

#[test]
fn a_ledger_line_edited_by_hand_is_named() {
    let toml = format!(
        "{INFRA_TOML}[secrets.ALPHA]\ngenerate = \"random:32\"\n[secrets.BETA]\ngenerate = \"random:32\"\n"
    );
    let scratch = shop(&toml);
    drop(xtask(&scratch, &["infra:secrets:setup"]).finish().expect(0));
    drop(xtask(&scratch, &["infra:ledger:verify"]).finish().expect(0));
    let path = scratch.join("home/acme/ledger.jsonl");
    let text = std::fs::read_to_string(&path).expect("the setup was recorded");
    // Nothing is wrong with what is left: only what was seen before tells, also once there is more behind it.
    let verify = || {
        let failed = xtask(&scratch, &["infra:ledger:verify"]).finish().expect(4);
        failed.says(&["the head that was noted", "cut off its end", "ledger-heads"]);
    };
    std::fs::write(&path, "").expect("the home is writable");
    verify();
    scratch.write("repo/.env", "ALPHA=another-value-of-it\n");
    drop(xtask(&scratch, &["infra:secrets:setup"]).finish().expect(0));
    assert!(!std::fs::read_to_string(&path).expect("it was recorded").is_empty());
    verify();
    let edited = text.replacen("\"shop\"", "\"shap\"", 1);
    assert_ne!(text, edited);
    std::fs::write(&path, edited).expect("the home is writable");
    xtask(&scratch, &["infra:ledger:verify"]).finish().expect(4).says(&[
        "entry 1",
        "ledger.jsonl:1",
        "next:",
    ]);
}

#[test]
fn a_tool_that_nobody_installs_here_fails_the_installation_with_what_to_do() {
    let scratch = shop(&format!("{INFRA_TOML}[tools.teraform]\nversion = \"1.5.0\"\n"));
    let failed = xtask(&scratch, &["infra:tools:install"]).finish().expect(5);
    failed.says(&["installed by hand", "install teraform 1.5.0", "if `terraform` is meant"]);
    let planned = xtask(&scratch, &["infra:tools:install", "--dry-run"]).finish().expect(0).stdout;
    assert!(planned.contains("by hand: install teraform"), "{planned}");
}

#[test]
fn an_env_file_that_git_tracks_is_told_and_fails_the_lint() {
    let scratch = shop(INFRA_TOML);
    let repo = scratch.join("repo");
    scratch.write("repo/.env", "ALPHA=1\n");
    for args in [&["init", "--quiet"][..], &["add", "--force", ".env"]] {
        drop(Run::new("git", &repo).args(args).finish().expect(0));
    }
    let told = ["git tracks", ".env", "git rm --cached .env"];
    xtask(&scratch, &["infra:secrets:init"]).finish().expect(0).says(&told);
    xtask(&scratch, &["infra:secrets:lint"]).finish().expect(4).says(&told);
    drop(Run::new("git", &repo).args(["rm", "--quiet", "--cached", ".env"]).finish().expect(0));
    drop(xtask(&scratch, &["infra:secrets:lint"]).finish().expect(0));
}

#[test]
fn completions_are_for_a_word_that_they_define() {
    let scratch = shop(INFRA_TOML);
    for (shell, word) in [
        ("bash", "xtask() { cargo xtask \"$@\"; }"),
        ("zsh", "xtask() { cargo xtask \"$@\"; }"),
        ("fish", "function xtask; cargo xtask $argv; end"),
    ] {
        let script = xtask(&scratch, &["--completions", shell]).finish().expect(0).stdout;
        assert!(script.contains(word) && script.contains("deploy"), "{shell}: {script}");
    }
    let script = xtask(&scratch, &["--completions", "bash"]).finish().expect(0).stdout;
    let file = scratch.write("completions", script).display().to_string();
    let typed = "source \"$0\"; COMP_WORDS=(xtask bui); COMP_CWORD=1; _xtask xtask bui xtask; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let completed = Run::new("bash", scratch.path()).args(["-c", typed, &file]).finish().expect(0);
    assert_eq!(completed.stdout.trim(), "build");
}

#[test]
fn a_deploy_for_another_organisation_is_refused_wherever_its_own_is_written() {
    let scratch = shop(INFRA_TOML);
    let failed = xtask(&scratch, &["infra:secrets:test"]).env("INFRA_RUN_ORG", "other").finish().expect(3);
    failed.says(&["of the organisation `acme`", "other", "next:"]);
    drop(xtask(&scratch, &["infra:secrets:test"]).env("INFRA_RUN_ORG", "acme").finish().expect(0));
}
