//! A plan that is approved, kept encrypted, overtaken by somebody else, and applied or refused by what it would do now.

use std::path::PathBuf;

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
