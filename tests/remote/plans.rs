//! A plan that is approved, kept encrypted, overtaken by somebody else, and applied or refused by what it would do now.

use std::path::PathBuf;

use infra_sdk::config::{Config, Flags};
use infra_sdk::infra::{Host, Infra};
use infra_sdk::{Digest, Env};
use support::{Finished, Run, Scratch};

/// A repo with one stack and a vault.
struct Repo {
    scratch: Scratch,
}

/// A value that goes into the plan and must show up nowhere.
const CANARY: &str = "canary-of-the-saved-plan";

impl Repo {
    fn new(name: &str) -> Self {
        let repo = Repo { scratch: Scratch::new(name) };
        repo.configure("");
        let key = repo.run(&["infra:secrets:key", "--output", "json"], 0).stdout;
        let key: serde_json::Value = serde_json::from_str(&key).unwrap();
        repo.configure(&format!("[vault]\nrecipients = [{}]\n", key["recipients"][0]));
        repo
    }

    fn configure(&self, more: &str) {
        self.scratch.write(
            "repo/infra.toml",
            format!(
                "[project]\nname = \"infrastructure\"\nkind = \"infrastructure\"\norg = \"acme\"\n\
                 [env.staging]\n[stack.network]\ndir = \"terraform\"\n{more}"
            ),
        );
    }

    /// Two resources with these inputs, a secret one, and whatever else.
    fn code(&self, one: &str, two: &str, more: &str) {
        self.scratch.write(
            "repo/terraform/main.tf",
            format!(
                "variable \"environment\" {{}}\nvariable \"secret\" {{\n default = \"{CANARY}\"\n sensitive = true\n}}\n\
                 resource \"terraform_data\" \"one\" {{ input = \"{one}\" }}\n\
                 resource \"terraform_data\" \"two\" {{ input = \"{two}\" }}\n\
                 resource \"terraform_data\" \"hidden\" {{ input = \"${{var.secret}}-{one}\" }}\n{more}"
            ),
        );
    }

    fn command(&self, args: &[&str]) -> Run {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("repo"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("USER", "ada")
            .args(args)
    }

    fn run(&self, args: &[&str], code: i32) -> Finished {
        self.command(args).finish().expect(code)
    }

    fn saved(&self) -> PathBuf {
        self.scratch.join("home/acme/local/plans/infrastructure/network.plan.age")
    }

    /// The inputs of both resources, as the state has them.
    fn inputs(&self) -> Vec<String> {
        let path =
            self.scratch.join("home/acme/local/state/acme/infrastructure/local/network/terraform.tfstate");
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let input = |name: &str| {
            let resource =
                state["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name);
            resource.map(|resource| {
                resource["instances"][0]["attributes"]["input"]["value"].as_str().unwrap().to_owned()
            })
        };
        ["one", "two"].iter().filter_map(|name| input(name)).collect()
    }
}

#[test]
fn a_saved_plan_is_encrypted_applied_once_and_gone() {
    let repo = Repo::new("saved-plan");
    repo.code("1", "1", "");
    let planned = repo.run(&["infra:plan", "--save"], 0);
    assert!(planned.stdout.contains("3 to add"), "{}", planned.stdout);
    let sealed = std::fs::read(repo.saved()).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/"), "it is an age file");
    // What the code says now is not what was approved.
    repo.code("other", "other", "");
    let applied = repo.run(&["infra:apply", "--saved"], 0);
    assert!(applied.stdout.contains("network: 3 added"), "{}", applied.stdout);
    assert_eq!(repo.inputs(), ["1", "1"], "exactly the approved plan was applied");
    assert!(!repo.saved().exists());
    repo.run(&["infra:apply", "--saved"], 5)
        .says(&["the stack `network` has no saved plan", "infra:plan --save"]);
}

#[test]
fn a_plan_overtaken_by_an_unrelated_change_is_made_anew_and_applied() {
    let repo = Repo::new("saved-plan-stale");
    repo.code("1", "1", "");
    repo.run(&["infra:apply"], 0);
    repo.code("2", "1", "");
    repo.run(&["infra:plan", "--save"], 0);
    repo.code("1", "2", "");
    repo.run(&["infra:apply"], 0);
    repo.code("2", "2", "");
    let applied = repo.run(&["infra:apply", "--saved"], 0);
    assert!(applied.stderr.contains("the state was changed meanwhile"), "{}", applied.stderr);
    assert!(applied.stderr.contains("equal"), "{}", applied.stderr);
    assert_eq!(repo.inputs(), ["2", "2"]);
}

#[test]
fn a_plan_that_would_do_more_now_is_refused_and_nothing_is_done() {
    let repo = Repo::new("saved-plan-wider");
    repo.code("1", "1", "");
    repo.run(&["infra:apply"], 0);
    repo.code("2", "1", "");
    repo.run(&["infra:plan", "--save"], 0);
    repo.code("1", "1", "resource \"terraform_data\" \"elses\" {}\n");
    repo.run(&["infra:apply"], 0);
    // Somebody else's resource is not in this code: it would go.
    repo.code("2", "1", "");
    let refused = repo.run(&["infra:apply", "--saved"], 2);
    refused.says(&["what would be done now was not approved", "wider", "terraform_data.elses", "next:"]);
    assert_eq!(repo.inputs(), ["1", "1"], "nothing was applied");
    assert!(repo.saved().exists(), "the approved plan is still there");
}

#[test]
fn a_plan_that_was_partly_applied_is_finished() {
    let repo = Repo::new("saved-plan-narrower");
    repo.code("1", "1", "");
    repo.run(&["infra:apply"], 0);
    repo.code("2", "2", "");
    repo.run(&["infra:plan", "--save"], 0);
    repo.code("1", "2", "");
    repo.run(&["infra:apply"], 0);
    repo.code("2", "2", "");
    let applied = repo.run(&["infra:apply", "--saved"], 0);
    assert!(applied.stderr.contains("narrower"), "{}", applied.stderr);
    assert_eq!(repo.inputs(), ["2", "2"]);
}

#[test]
fn a_saved_plan_of_elsewhere_a_damaged_one_and_one_without_a_key_are_refused() {
    let repo = Repo::new("saved-plan-refused");
    repo.code("1", "1", "");
    let folder = repo.scratch.join("carried");
    let folder = folder.to_str().unwrap();
    repo.run(&["infra:plan", "--out", folder], 0);
    repo.run(&["--env", "staging", "--yes=infra:apply", "infra:apply", "--plans", folder], 3)
        .says(&["nobody of this environment saved this plan", "next:"]);
    let shown = repo.run(&["infra:apply", "--plans", folder, "--dry-run"], 0);
    assert!(shown.stdout.contains("3 to add"), "{}", shown.stdout);
    let path = repo.scratch.join("carried/network.plan.age");
    let whole = std::fs::read(&path).unwrap();
    let nobody =
        repo.command(&["infra:apply", "--plans", folder]).env("XDG_CONFIG_HOME", repo.scratch.join("nobody"));
    nobody.finish().expect(5).says(&["next:"]);
    for damaged in [&whole[..whole.len() / 2], &b"nothing"[..], &[][..]] {
        std::fs::write(&path, damaged).unwrap();
        let refused = repo.command(&["infra:apply", "--plans", folder]).finish();
        assert!(matches!(refused.code, 3 | 4), "{} {}", refused.code, refused.stderr);
        refused.says(&["next:"]);
    }
    std::fs::write(&path, whole).unwrap();
    repo.run(&["infra:apply", "--plans", folder], 0);
    assert_eq!(repo.inputs(), ["1", "1"]);
}

#[test]
fn what_was_applied_before_a_failure_is_not_applied_again_and_the_rest_is_finished() {
    let repo = Repo::new("saved-plan-middle");
    repo.code("1", "1", "");
    let settings = std::fs::read_to_string(repo.scratch.join("repo/infra.toml")).unwrap();
    repo.scratch.write(
        "repo/infra.toml",
        format!("{settings}[stack.second]\ndir = \"second\"\nafter = [\"network\"]\n"),
    );
    let gate = repo.scratch.join("gate");
    let gated = format!(
        "variable \"environment\" {{}}\nresource \"terraform_data\" \"gated\" {{\n provisioner \"local-exec\" {{ command = \"test -e {}\" }}\n}}\n",
        gate.display()
    );
    repo.scratch.write("repo/second/main.tf", gated);
    repo.run(&["infra:plan", "--save"], 0);
    let failed = repo.command(&["infra:apply", "--saved"]).finish();
    assert_ne!(failed.code, 0, "{}", failed.stderr);
    assert_eq!(repo.inputs(), ["1", "1"], "the first stack was applied");
    std::fs::write(&gate, "").unwrap();
    let again = repo.run(&["infra:apply", "--saved"], 2);
    // The damaged resource is to be replaced now, which nobody approved; the first stack is not touched again.
    again.says(&["network: was applied by an earlier run", "terraform_data.gated", "wider"]);
    repo.run(&["infra:plan", "--save"], 0);
    repo.run(&["infra:apply", "--saved"], 0);
    assert!(!repo.saved().exists() && !repo.saved().with_extension("applied").exists());
}

#[test]
fn a_plan_that_somebody_else_sealed_for_the_same_people_is_refused() {
    let (repo, stranger) = (Repo::new("saved-plan-mine"), Repo::new("saved-plan-strangers"));
    for repo in [&repo, &stranger] {
        repo.code("1", "1", "");
        repo.run(&["infra:plan", "--save"], 0);
    }
    // Anybody can encrypt for public keys: here by taking the first repo's, with secrets of one's own.
    let settings = std::fs::read_to_string(repo.scratch.join("repo/infra.toml")).unwrap();
    stranger.scratch.write("repo/infra.toml", settings);
    stranger.run(&["infra:plan", "--save"], 0);
    std::fs::copy(stranger.saved(), repo.saved()).unwrap();
    repo.run(&["infra:apply", "--saved"], 3).says(&["nobody of this environment saved this plan", "next:"]);
}

#[test]
fn a_plan_signed_with_nothing_is_refused_where_there_is_no_key() {
    let repo = Repo::new("saved-plan-unsigned");
    repo.code("1", "1", "");
    repo.run(&["infra:plan", "--save"], 0);
    let folder = repo.saved().parent().unwrap().to_owned();
    let home = repo.scratch.join("home");
    let config_home = repo.scratch.join("config");
    let vars = [("INFRA_HOME", home.to_str().unwrap()), ("XDG_CONFIG_HOME", config_home.to_str().unwrap())];
    let env = Env::of(vars, repo.scratch.join("repo"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = runtime.block_on(Config::load(&env, &Flags::default())).unwrap();
    let infra = Infra::open(&env, config, Host::silent()).unwrap();
    let sealer = &infra.ports().sealer;
    let mut package = sealer.unseal(&std::fs::read(repo.saved()).unwrap()).unwrap().expose().to_vec();
    package[..32].fill(0);
    std::fs::write(repo.saved(), sealer.seal(&package).unwrap()).unwrap();
    let folder = folder.to_str().unwrap();
    for args in [
        &["infra:apply", "--plans", folder][..],
        &["--env", "staging", "--yes=infra:apply", "infra:apply", "--plans", folder],
    ] {
        repo.run(args, 3).says(&["nobody of this environment saved this plan", "next:"]);
    }
}

#[test]
fn only_the_plan_that_was_saved_last_is_applied() {
    let repo = Repo::new("saved-plan-replayed");
    repo.code("1", "1", "");
    repo.run(&["infra:plan", "--save"], 0);
    let first = std::fs::read(repo.saved()).unwrap();
    repo.code("2", "2", "");
    repo.run(&["infra:plan", "--save"], 0);
    let second = std::fs::read(repo.saved()).unwrap();
    std::fs::write(repo.saved(), first).unwrap();
    repo.run(&["infra:apply", "--saved"], 3).says(&["another plan of this stack was saved", "next:"]);
    std::fs::write(repo.saved(), second).unwrap();
    repo.run(&["infra:apply", "--saved"], 0);
    assert_eq!(repo.inputs(), ["2", "2"]);
}

#[test]
fn a_plan_of_another_commit_is_held_against_what_this_one_does() {
    let repo = Repo::new("saved-plan-commit");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
        drop(Run::new("git", &repo.scratch.join("repo")).args(who).args(args).finish().expect(0));
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    let commit = || {
        git(&["add", "-A"]);
        git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
    };
    repo.code("1", "1", "");
    commit();
    repo.run(&["infra:plan", "--save"], 0);
    repo.code("1", "2", "");
    commit();
    repo.run(&["infra:apply", "--saved"], 2).says(&["is of another commit", "wider", "next:"]);
    repo.code("1", "1", "# the same\n");
    commit();
    let applied = repo.run(&["infra:apply", "--saved"], 0);
    assert!(
        applied.stderr.contains("is of another commit") && applied.stderr.contains("equal"),
        "{}",
        applied.stderr
    );
    assert_eq!(repo.inputs(), ["1", "1"]);
}

#[test]
fn a_provisioner_whose_text_the_plan_does_not_tell_dies_with_the_code_of_the_review() {
    let repo = Repo::new("saved-plan-provisioner");
    let run = |say: &str| {
        format!(
            "resource \"terraform_data\" \"run\" {{\n provisioner \"local-exec\" {{ command = \"echo {say} ${{self.id}}\" }}\n}}\n"
        )
    };
    repo.code("1", "1", "");
    repo.run(&["infra:apply"], 0);
    repo.code("1", "1", &run("hello"));
    repo.run(&["infra:plan", "--save"], 0);
    // Overtaken, and meanwhile the code says something else.
    repo.code("1", "2", "");
    repo.run(&["infra:apply"], 0);
    repo.code("1", "2", &run("canary"));
    let refused = repo.run(&["infra:apply", "--saved"], 2);
    refused.says(&["what would be done now was not approved", "code that was changed", "next:"]);
    assert!(!refused.stdout.contains("canary"), "it did not run");
    // The reviewed text beside other code is not the code of the review either.
    repo.code("1", "2", &run("hello"));
    repo.run(&["infra:apply", "--saved"], 2).says(&["code that was changed"]);
    repo.run(&["infra:plan", "--save"], 0);
    repo.run(&["infra:apply", "--saved"], 0);
}

#[test]
fn a_plan_for_a_state_that_was_kept_elsewhere_is_refused() {
    let repo = Repo::new("saved-plan-moved");
    repo.code("1", "1", "");
    let folder = repo.scratch.join("carried");
    let (folder, staging) = (folder.to_str().unwrap(), ["--env", "staging"]);
    repo.run(&[&staging[..], &["infra:plan", "--out", folder]].concat(), 0);
    let apply = [&staging[..], &["--yes=infra:apply", "infra:apply", "--plans", folder]].concat();
    let moved = repo.command(&apply).env("INFRA_HOME", repo.scratch.join("elsewhere")).finish();
    moved.expect(4).says(&["kept elsewhere", "plan again"]);
    repo.run(&apply, 0);
}

#[test]
fn a_note_that_anybody_can_write_makes_no_plan_applied() {
    let repo = Repo::new("saved-plan-noted");
    let note = repo.saved().with_extension("applied");
    std::fs::create_dir_all(note.parent().unwrap()).unwrap();
    std::fs::write(&note, Digest::of(b"").as_str()).unwrap();
    repo.code("1", "1", "");
    repo.run(&["infra:apply", "--saved"], 5).says(&["has no saved plan"]);
    repo.run(&["infra:plan", "--save"], 0);
    std::fs::write(&note, Digest::of(&std::fs::read(repo.saved()).unwrap()).as_str()).unwrap();
    let applied = repo.run(&["infra:apply", "--saved"], 0);
    assert!(applied.stdout.contains("network: 3 added"), "{}", applied.stdout);
    assert_eq!(repo.inputs(), ["1", "1"]);
}
