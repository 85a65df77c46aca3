//! Going back: a stack is applied twice from git, and brought back to how it was, by the code of then.

use support::{Finished, Run, Scratch};

struct Repo {
    scratch: Scratch,
}

const SETTINGS: &str = "[project]\nname = \"infrastructure\"\nkind = \"infrastructure\"\norg = \"acme\"\n[stack.network]\ndir = \"terraform\"\n";
const FIRST: &str =
    "resource \"terraform_data\" \"kept\" { input = \"one\" }\nresource \"terraform_data\" \"old\" {}\n";
const SECOND: &str =
    "resource \"terraform_data\" \"kept\" { input = \"two\" }\nresource \"terraform_data\" \"new\" {}\n";

impl Repo {
    fn new(name: &str) -> Self {
        let repo = Repo { scratch: Scratch::new(name) };
        repo.scratch.write("repo/infra.toml", SETTINGS);
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    fn git(&self, args: &[&str]) -> String {
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
        let run = Run::new("git", &self.scratch.join("repo")).args(who).args(args);
        run.finish().expect(0).stdout.trim().to_owned()
    }

    fn commit(&self, code: &str) -> String {
        self.scratch.write("repo/terraform/main.tf", code);
        self.git(&["add", "-A"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn xtask(&self, args: &[&str], code: i32) -> Finished {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("repo"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("USER", "ada")
            .args(args)
            .finish()
            .expect(code)
    }

    fn state(&self) -> serde_json::Value {
        let path =
            self.scratch.join("home/acme/local/state/acme/infrastructure/local/network/terraform.tfstate");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn input_of_kept(&self) -> String {
        let state = self.state();
        let resources = state["resources"].as_array().unwrap();
        let kept = resources.iter().find(|resource| resource["name"] == "kept").unwrap();
        kept["instances"][0]["attributes"]["input"]["value"].as_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let state = self.state();
        let resources = state["resources"].as_array().unwrap();
        resources.iter().map(|resource| resource["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_stack_goes_back_to_how_it_was_before_its_last_apply_by_the_code_of_then() {
    let repo = Repo::new("roll-back");
    let first = repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    repo.commit(SECOND);
    repo.xtask(&["infra:apply"], 0);
    assert_eq!((repo.names(), repo.input_of_kept().as_str()), (vec!["kept".into(), "new".into()], "two"));

    let planned = repo.xtask(&["infra:state:rollback", "network", "--dry-run"], 0).stdout;
    for line in [
        " ~ terraform_data.old: make it again (it gets a new id)",
        "   terraform_data.kept: change back input, output",
        "   terraform_data.new: destroy it",
        "1 to add, 1 to change, 1 to destroy",
    ] {
        assert!(planned.contains(line), "{line}\n{planned}");
    }
    assert!(planned.contains(&first) && !planned.contains("warning"), "{planned}");
    assert_eq!(repo.input_of_kept(), "two", "a dry run changes nothing");

    let done = repo.xtask(&["infra:state:rollback", "network"], 0);
    assert!(done.stdout.contains("rolled back network: 1 added, 1 changed, 1 destroyed"), "{}", done.stdout);
    assert_eq!((repo.names(), repo.input_of_kept().as_str()), (vec!["kept".into(), "old".into()], "one"));
    assert_eq!(repo.git(&["status", "--porcelain"]), "", "the checkout is as it was");
    let ledger = repo.xtask(&["infra:ledger:show", "--output", "json"], 0).stdout;
    assert!(ledger.contains("rollback-to") && ledger.contains(&first), "{ledger}");
    let left: Vec<_> =
        std::fs::read_dir(repo.scratch.join("home/acme/local/terraform/infrastructure/network"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("code-"))
            .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn before_the_first_apply_there_was_nothing_so_everything_goes() {
    let repo = Repo::new("roll-back-first");
    repo.commit(FIRST);
    repo.xtask(&["infra:state:rollback", "network"], 5).says(&["no apply of the stack `network`", "next:"]);
    repo.xtask(&["infra:apply"], 0);
    let done = repo.xtask(&["infra:state:rollback", "network"], 0);
    assert!(done.stdout.contains("rolled back network: 0 added, 0 changed, 2 destroyed"), "{}", done.stdout);
    assert!(repo.names().is_empty());
}

#[test]
fn what_cannot_be_gone_back_to_is_refused_with_what_to_do() {
    let repo = Repo::new("roll-back-refused");
    repo.commit(FIRST);
    // Applied from files that no commit holds.
    repo.scratch.write("repo/terraform/main.tf", SECOND);
    repo.xtask(&["infra:apply"], 0);
    repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    repo.xtask(&["infra:state:rollback", "network"], 4)
        .says(&["files that differed from commit", "--commit"]);
    repo.xtask(&["infra:state:rollback", "netwrk"], 5).says(&["did you mean `network`?"]);
    repo.xtask(&["infra:state:rollback", "network", "--copy", "../../etc"], 5)
        .says(&["no copy", "newest copies are"]);
    repo.xtask(&["infra:state:rollback", "network", "--commit", "--all"], 2);
    repo.xtask(&["infra:state:rollback", "network", "--commit=--all"], 5).says(&["no commit `--all`"]);
    // The code of now brings nothing back, and says so.
    let head = repo.git(&["rev-parse", "HEAD"]);
    repo.xtask(&["infra:state:rollback", "network", "--commit", "HEAD"], 7)
        .says(&["does not undo what has happened", &head]);
}

#[test]
fn what_a_rule_protects_is_not_applied_and_an_exported_value_names_its_readers() {
    let repo = Repo::new("judged");
    repo.scratch.write(
        "repo/infra.toml",
        format!("{SETTINGS}[exports]\n\"/infrastructure/network\" = {{ stack = \"network\" }}\n[policy]\nprotected = [\"terraform_data.old\"]\n"),
    );
    repo.scratch.write(
        "repo/infra/readers.toml",
        "version = 1\ndate = \"2026-11-20\"\n[[reader]]\npath = \"/infrastructure/network\"\nrepo = \"shop-api\"\nreference = \"network\"\n",
    );
    repo.commit(&format!("{FIRST}output \"vpc_id\" {{ value = \"vpc-1\" }}\n"));
    repo.xtask(&["infra:apply"], 0);
    repo.commit(&format!("{SECOND}output \"vpc_id\" {{ value = \"vpc-2\" }}\n"));
    let planned = repo.xtask(&["infra:plan"], 0).stdout;
    assert!(planned.contains("changing this touches 1 repo: shop-api"), "{planned}");
    assert!(planned.contains("/infrastructure/network/vpc-id"), "{planned}");
    repo.xtask(&["infra:policy:check"], 10).says(&["a plan is refused", "next:"]);
    repo.xtask(&["infra:apply"], 10).says(&["the plan breaks a rule", "terraform_data.old", "next:"]);
    assert_eq!(repo.input_of_kept(), "one", "nothing was applied");
}

#[test]
fn a_rollback_is_judged_and_a_state_that_others_changed_is_noticed() {
    let repo = Repo::new("roll-back-judged");
    repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    repo.commit(SECOND);
    repo.xtask(&["infra:apply"], 0);
    let protected = format!("{SETTINGS}[policy]\nprotected = [\"terraform_data.new\"]\n");
    repo.scratch.write("repo/infra.toml", &protected);
    repo.xtask(&["infra:state:rollback", "network"], 10).says(&["the plan breaks a rule", "next:"]);
    assert_eq!(repo.input_of_kept(), "two");
    repo.scratch.write("repo/infra.toml", SETTINGS);
    // Somebody else writes the state, and no ledger tells of it.
    let path = repo.scratch.join("home/acme/local/state/acme/infrastructure/local/network/terraform.tfstate");
    let mut state = repo.state();
    state["serial"] = (state["serial"].as_u64().unwrap() + 1).into();
    std::fs::write(path, serde_json::to_vec(&state).unwrap()).unwrap();
    repo.xtask(&["infra:state:rollback", "network"], 7).says(&["changed after the last apply", "--copy"]);
}

#[test]
fn the_folder_and_the_variables_of_then_are_used() {
    let repo = Repo::new("roll-back-moved");
    let variables =
        "variable \"size\" { default = 1 }\nresource \"terraform_data\" \"sized\" { input = var.size }\n";
    repo.scratch.write("repo/.gitignore", "*.tfvars\n");
    repo.scratch.write("repo/terraform/terraform.tfvars", "size = 3\n");
    repo.commit(&format!("{FIRST}{variables}"));
    repo.xtask(&["infra:apply"], 0);
    // The stack moves to another folder, and another one takes its place.
    repo.scratch.write("repo/infra.toml", SETTINGS.replace("\"terraform\"", "\"moved\""));
    repo.scratch.write("repo/moved/main.tf", format!("{SECOND}{variables}"));
    repo.scratch.write("repo/moved/terraform.tfvars", "size = 3\n");
    repo.commit("resource \"terraform_data\" \"anothers\" {}\n");
    repo.xtask(&["infra:apply"], 0);
    let planned = repo.xtask(&["infra:state:rollback", "network", "--dry-run"], 0).stdout;
    assert!(planned.contains("taken along from the checkout: terraform/terraform.tfvars"), "{planned}");
    assert!(!planned.contains("sized") && !planned.contains("anothers"), "{planned}");
    repo.xtask(&["infra:state:rollback", "network"], 0);
    assert_eq!(repo.input_of_kept(), "one");
}

#[test]
fn variables_that_git_held_then_and_files_that_archives_leave_out_are_those_of_then() {
    let repo = Repo::new("roll-back-then");
    let variables =
        "variable \"size\" { default = 1 }\nresource \"terraform_data\" \"sized\" { input = var.size }\n";
    repo.scratch.write("repo/.gitattributes", "*.tf export-ignore\n");
    repo.scratch.write("repo/terraform/terraform.tfvars", "size = 3\n");
    repo.commit(&format!("{FIRST}{variables}"));
    repo.xtask(&["infra:apply"], 0);
    // From now on the variables are nobody's but this checkout's.
    repo.scratch.write("repo/.gitignore", "*.tfvars\n");
    repo.git(&["rm", "--quiet", "--cached", "terraform/terraform.tfvars"]);
    repo.scratch.write("repo/terraform/terraform.tfvars", "size = 4\n");
    repo.commit(&format!("{SECOND}{variables}"));
    repo.xtask(&["infra:apply"], 0);
    let planned = repo.xtask(&["infra:state:rollback", "network", "--dry-run"], 0).stdout;
    assert!(planned.contains("1 to add, 2 to change, 1 to destroy"), "{planned}");
    assert!(!planned.contains("taken along"), "{planned}");
    repo.xtask(&["infra:state:rollback", "network"], 0);
    let state = repo.state();
    let resources = state["resources"].as_array().unwrap();
    let sized = resources.iter().find(|resource| resource["name"] == "sized").unwrap();
    assert_eq!(sized["instances"][0]["attributes"]["input"]["value"], 3);
}

#[test]
fn code_that_would_destroy_what_was_only_changed_goes_back_only_when_told() {
    let repo = Repo::new("roll-back-destroys");
    let with_db =
        |input: &str| format!("{FIRST}resource \"terraform_data\" \"db\" {{ input = \"{input}\" }}\n");
    let without = repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    for input in ["1", "2"] {
        repo.commit(&with_db(input));
        repo.xtask(&["infra:apply"], 0);
    }
    let far = ["infra:state:rollback", "network", "--commit", &without];
    repo.xtask(&far, 3).says(&["do more than undo", "terraform_data.db (is destroyed", "--with-strays"]);
    assert!(repo.names().contains(&"db".to_owned()));
    repo.xtask(&[&far[..], &["--with-strays"]].concat(), 0);
    assert!(!repo.names().contains(&"db".to_owned()));
}

#[test]
fn the_code_that_a_killed_rollback_left_is_removed_by_the_next() {
    let repo = Repo::new("roll-back-killed");
    repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    repo.commit(SECOND);
    repo.xtask(&["infra:apply"], 0);
    let place = "home/acme/local/terraform/infrastructure/network";
    repo.scratch.write(&format!("{place}/code-killed/files/x.auto.tfvars"), "secret = 1\n");
    repo.xtask(&["infra:state:rollback", "network", "--dry-run"], 0);
    assert!(!repo.scratch.join(place).join("code-killed").exists());
}

#[test]
fn an_apply_that_was_not_recorded_is_noticed_and_gone_back_from_by_its_copy() {
    let repo = Repo::new("roll-back-unrecorded");
    repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    repo.commit(SECOND);
    repo.xtask(&["infra:apply"], 0);
    // The run was killed after Terraform was done and before anything was noted.
    let ledger = repo.scratch.join("home/acme/ledger.jsonl");
    let noted = std::fs::read_to_string(&ledger).unwrap();
    let kept: Vec<&str> =
        noted.lines().filter(|line| !line.contains("1 added, 1 changed, 1 destroyed")).collect();
    assert_eq!(kept.len() + 1, noted.lines().count(), "{noted}");
    std::fs::write(&ledger, kept.join("\n") + "\n").unwrap();
    repo.xtask(&["infra:state:rollback", "network"], 7)
        .says(&["changed after the last apply that is recorded", "--copy"]);
    let history = repo.xtask(&["infra:state:history", "network", "--output", "json"], 0).stdout;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let moments = history["moments"].as_array().unwrap();
    let copy = moments.iter().find(|moment| moment["kind"] == "copy").unwrap()["id"].as_str().unwrap();
    repo.xtask(&["infra:state:rollback", "network", "--copy", copy, "--commit", "HEAD~1"], 0);
    assert_eq!((repo.names(), repo.input_of_kept().as_str()), (vec!["kept".into(), "old".into()], "one"));
}

#[test]
fn a_rollback_that_costs_more_than_the_limit_allows_is_refused_as_an_apply_is() {
    let repo = Repo::new("roll-back-costs");
    let costs = |limit: &str| format!("{SETTINGS}[costs]\ntable = \"prices.toml\"\nlimit = \"{limit}\"\n");
    repo.scratch.write(
        "repo/prices.toml",
        "version = 1\ndate = \"2026-11-01\"\ncurrency = \"USD\"\nsource = \"our contract\"\n\
         [[price]]\ntype = \"terraform_data\"\nunit = \"hour\"\namount = \"0.01\"\n",
    );
    repo.scratch.write("repo/infra.toml", costs("100"));
    repo.commit(FIRST);
    repo.xtask(&["infra:apply"], 0);
    // One resource less, so going back adds one: 7.30 a month.
    repo.commit("resource \"terraform_data\" \"kept\" { input = \"one\" }\n");
    repo.xtask(&["infra:apply"], 0);
    repo.scratch.write("repo/infra.toml", costs("7"));
    let refused = repo.xtask(&["infra:state:rollback", "network"], 10);
    refused.says(&["next:"]);
    assert!(refused.stdout.contains("costs.limit"), "{}", refused.stdout);
    assert_eq!(repo.names(), ["kept"], "nothing was applied");
    repo.scratch.write("repo/infra.toml", costs("7.30"));
    repo.xtask(&["infra:state:rollback", "network"], 0);
    assert_eq!(repo.names(), ["kept", "old"]);
}
