//! `infra:state:*` on a bucket, as a person and as a workflow use them.

use std::sync::Arc;

use support::{Finished, Moto, Run, S3, Scratch};

use crate::aws_state::{ACCOUNT, put};

/// Two outputs of a secret, so that the state holds it.
const CODE: &str = "variable \"environment\" {}\nvariable \"size\" { default = 1 }\n\
                    resource \"terraform_data\" \"sized\" { input = var.size }\n\
                    resource \"terraform_data\" \"hidden\" { input = sensitive(\"canary-of-the-state-${var.size}\") }\n";

/// A repo whose staging keeps its state in a bucket.
struct Repo {
    scratch: Scratch,
    moto: Arc<Moto>,
    s3: S3,
    bucket: String,
    vars: Vec<(&'static str, String)>,
}

impl Repo {
    fn new(bucket: &str, state: &str) -> Self {
        let (scratch, moto) = (Scratch::new(bucket), Moto::shared());
        scratch.write(
            "repo/infra.toml",
            format!(
                "[project]\nname = \"shop-api\"\nkind = \"infrastructure\"\norg = \"acme\"\n\
                 [env.staging]\nprovider = \"aws\"\nregion = \"eu-central-1\"\naccount = \"123456789012\"\nstate = {state}\n\
                 [stack.network]\ndir = \"terraform\"\n"
            ),
        );
        scratch.write("repo/terraform/main.tf", CODE);
        let s3 = S3::before(&moto);
        let vars = vec![
            ("AWS_ENDPOINT_URL", s3.url()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ];
        Repo { scratch, moto, s3, bucket: bucket.into(), vars }
    }

    fn in_s3(bucket: &str) -> Self {
        Self::new(bucket, &format!("{{ backend = \"s3\", bucket = \"{bucket}\" }}"))
    }

    fn run_as(&self, user: &str, args: &[&str], code: i32) -> Finished {
        self.finish(user, args).expect(code)
    }

    fn finish(&self, user: &str, args: &[&str]) -> Finished {
        let task = args[0];
        let run = Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("repo"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("USER", user)
            .args(args)
            .args(["--env", "staging", &format!("--yes={task}")]);
        self.vars.iter().fold(run, |run, (name, value)| run.env(name, value)).finish()
    }

    fn run(&self, args: &[&str], code: i32) -> Finished {
        self.run_as("ada", args, code)
    }

    fn git(&self, args: &[&str]) {
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
        let run = Run::new("git", &self.scratch.join("repo")).args(who).args(args);
        let _done = run.finish().expect(0);
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        serde_json::from_str(&self.run(&args, 0).stdout).unwrap()
    }

    fn size(&self, size: u32) {
        self.scratch
            .write("repo/terraform/main.tf", CODE.replace("default = 1", &format!("default = {size}")));
    }

    /// Puts something where the state is, as nobody should.
    fn put_state(&self, bytes: &[u8]) {
        let key = "acme/shop-api/staging/network/terraform.tfstate";
        put(&self.moto, &format!("{}/{key}", self.bucket), bytes);
    }
}

#[test]
fn a_bucket_is_set_up_states_are_applied_and_looked_at_by_names_alone() {
    let repo = Repo::in_s3("tasks-state");
    repo.run(&["infra:state:list"], 5).says(&["infra:state:setup"]);
    let planned = repo.run(&["infra:state:setup", "--dry-run"], 0).stdout;
    assert!(
        planned.contains("+ make the bucket in eu-central-1") && planned.contains("+ keep older versions"),
        "{planned}"
    );
    let done = repo.run(&["infra:state:setup"], 0).stdout;
    assert!(done.contains("+ refuse requests without TLS") && done.contains("locks: probed"), "{done}");
    let again = repo.run(&["infra:state:setup"], 0).stdout;
    assert!(again.contains("s3://tasks-state is as it should be"), "{again}");

    let shown = repo.run(&["infra:state:show", "network"], 0).stdout;
    assert!(shown.contains("nothing was applied yet"), "{shown}");
    let tells = format!(
        "{CODE}resource \"terraform_data\" \"told\" {{\n provisioner \"local-exec\" {{\n  command = \"printf %s \\\"$AWS_REGION\\\" \
         > {}\"\n }}\n}}\n",
        repo.scratch.join("told").display()
    );
    repo.scratch.write("repo/terraform/main.tf", tells);
    repo.run(&["infra:apply"], 0);
    repo.size(2);
    repo.run(&["infra:apply"], 0);
    // Provider and state agree on the region, though only infra.toml names one.
    assert_eq!(std::fs::read_to_string(repo.scratch.join("told")).unwrap(), "eu-central-1");
    let listed = repo.run(&["infra:state:list"], 0).stdout;
    assert_eq!(listed.trim(), "shop-api  staging  network");
    let shown = repo.run(&["infra:state:show", "network"], 0).stdout;
    assert!(shown.contains("serial 2") && shown.contains("  terraform_data.sized"), "{shown}");
    // No value is shown, of sensitive attributes or others; a canary in any output fails the test besides.
    let diff = repo.run(&["infra:state:diff", "network"], 0).stdout;
    assert!(diff.contains("serial 1 to 2") && diff.contains("~ terraform_data.sized: input"), "{diff}");
    assert!(diff.contains("~ terraform_data.hidden: input"), "{diff}");
    let history = repo.json(&["infra:state:history", "network"]);
    let kinds: Vec<&str> = history["moments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|moment| moment["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["apply", "copy", "apply", "copy"], "what an apply left is the copy before the next");
    let copy = history["moments"][1]["id"].as_str().unwrap();
    let diff = repo.run(&["infra:state:diff", "network", "--from", copy, "--to", copy], 0).stdout;
    assert!(diff.contains("no resource differs"), "{diff}");
    repo.run(&["infra:state:diff", "network", "--from", "../x"], 5).says(&["no copy", "infra:state:history"]);

    // All machines share the ledger: nothing of it lies on this one.
    assert!(!repo.scratch.join("home/acme/ledger.jsonl").exists());
    let verified = repo.run(&["infra:ledger:verify"], 0).stdout;
    assert!(verified.contains("3 entries, chain whole"), "{verified}");
}

#[test]
fn a_lock_is_taken_shown_and_broken_only_by_right() {
    let repo = Repo::in_s3("tasks-lock");
    repo.run(&["infra:state:setup"], 0);
    let locked =
        repo.run(&["infra:state:lock", "network", "--for", "1h", "--why", "moving the VPC"], 0).stdout;
    assert!(locked.contains("is locked by ada") && locked.contains("moving the VPC"), "{locked}");
    let shown = repo.json(&["infra:state:show", "network"]);
    assert_eq!(shown["is_locked"], true);
    let id = shown["lock"]["ID"].as_str().unwrap().to_owned();
    repo.run_as("bob", &["infra:state:lock", "network"], 6).says(&["holder: ada", "moving the VPC"]);
    // Nobody else's word is enough, and no word without naming the lock.
    repo.run_as("bob", &["infra:state:unlock", "network"], 6).says(&["holder: ada", "--force"]);
    repo.run_as("bob", &["infra:state:unlock", "network", "--id", &id], 6).says(&["holder: ada"]);
    let all = format!("infra:state:unlock network --id {id} --force --yes=infra:state:unlock --env staging");
    repo.run_as("bob", &["infra:state:unlock", "network", "--force"], 4).says(&["by its id", &all]);
    repo.run_as("bob", &["infra:state:unlock", "network"], 6).says(&[&all]);
    // Terraform's own word of the same lock ends with the same code.
    repo.run_as("bob", &["infra:apply"], 6).says(&["the state of a stack is locked", "ada", &all]);
    repo.run_as("bob", &["infra:state:unlock", "network", "--id", "x", "--force"], 7)
        .says(&["another lock", "ada"]);
    let planned = repo.run(&["infra:state:unlock", "network", "--id", &id, "--dry-run"], 0).stdout;
    assert!(planned.contains("removes the lock"), "{planned}");
    // One's own needs no force.
    let freed = repo.run(&["infra:state:unlock", "network", "--id", &id], 0).stdout;
    assert!(freed.contains("is free; it was locked by ada"), "{freed}");
    let freed = repo.run(&["infra:state:unlock", "network"], 0).stdout;
    assert!(freed.contains("is not locked"), "{freed}");

    repo.run(&["infra:state:lock", "network", "--for", "1s"], 0);
    let begun = std::time::Instant::now();
    let freed = loop {
        let freed = repo.finish("bob", &["infra:state:unlock", "network"]);
        if freed.code != 6 {
            break freed.expect(0).stdout;
        }
        assert!(begun.elapsed().as_secs() < 60, "past its time it is anybody's to remove");
    };
    assert!(freed.contains("is free"), "{freed}");
    // Terraform would wait for it in vain.
    repo.run(&["infra:state:lock", "network", "--for", "1s"], 0);
    until_past_its_time(&repo);
    repo.run_as("bob", &["infra:apply"], 0).says(&["removed the lock of ada, which was past its time"]);

    put(&repo.moto, "tasks-lock/acme/shop-api/staging/network/terraform.tfstate.tflock", b"no json");
    let shown = repo.run(&["infra:state:show", "network"], 0).stdout;
    assert!(shown.contains("the lock does not say by whom"), "{shown}");
    repo.run(&["infra:state:unlock", "network"], 6).says(&["does not say by whom", "--force"]);
    repo.run(&["infra:state:unlock", "network", "--force"], 0);
    repo.run(&["infra:state:lock", "network", "--for", "0s"], 4).says(&["up to 30 days"]);
    repo.run(&["infra:state:lock", "network", "--for", "soon"], 4).says(&["is not a time"]);
    let ledger = repo.run(&["infra:ledger:show"], 0).stdout;
    assert!(ledger.contains("state.lock") && ledger.contains("state.unlock"), "{ledger}");
}

fn until_past_its_time(repo: &Repo) {
    let begun = std::time::Instant::now();
    while repo.finish("bob", &["infra:state:unlock", "network", "--dry-run"]).code != 0 {
        assert!(begun.elapsed().as_secs() < 60, "past its time it is anybody's to remove");
    }
}

#[test]
fn a_lock_is_ones_own_in_the_run_that_took_it_and_nobodys_who_has_no_name() {
    let mut repo = Repo::in_s3("tasks-lock-runs");
    repo.run(&["infra:state:setup"], 0);
    let lock = |repo: &Repo, user: &str| {
        repo.run_as(user, &["infra:state:lock", "network"], 0);
        repo.json(&["infra:state:show", "network"])["lock"]["ID"].as_str().unwrap().to_owned()
    };
    repo.vars.extend([("GITHUB_REPOSITORY", "acme/shop".into()), ("GITHUB_RUN_ID", "111".into())]);
    let id = lock(&repo, "ada");
    repo.vars.last_mut().unwrap().1 = "222".into();
    let unlock = ["infra:state:unlock", "network", "--id", &id];
    repo.run(&unlock, 6).says(&["acme/shop/actions/runs/111", "--force"]);
    repo.vars.last_mut().unwrap().1 = "111".into();
    repo.run(&unlock, 0);
    repo.vars.truncate(repo.vars.len() - 2);

    let id = lock(&repo, "");
    let unlock = ["infra:state:unlock", "network", "--id", &id];
    repo.run_as("", &unlock, 6).says(&["holder: unknown", "--force"]);
    repo.run_as("", &[&unlock[..], &["--force"]].concat(), 0);

    // What somebody else wrote as an id is no command of its own.
    let odd = br#"{"ID": "a; rm -rf '/'", "Who": "eve"}"#;
    put(&repo.moto, "tasks-lock-runs/acme/shop-api/staging/network/terraform.tfstate.tflock", odd);
    repo.run(&["infra:state:unlock", "network"], 6).says(&[r"--id 'a; rm -rf '\''/'\''' --force"]);
}

const STATE: &str = "acme/shop-api/staging/network/terraform.tfstate";

#[test]
fn a_state_that_is_gone_is_not_taken_for_a_new_one() {
    let repo = Repo::in_s3("tasks-gone");
    repo.run(&["infra:state:setup"], 0);
    repo.run(&["infra:apply"], 0);
    // With its copies, so that only the ledger knows of it.
    repo.moto.python(
        "
s3 = client('s3')
for found in s3.list_objects_v2(Bucket='tasks-gone')['Contents']:
    if '.tfstate' in found['Key']:
        s3.delete_object(Bucket='tasks-gone', Key=found['Key'])
",
    );
    let on_purpose = "infra:state:restore network --env staging --as-it-is";
    for task in ["infra:apply", "infra:plan", "infra:drift"] {
        repo.run(&[task], 7).says(&["is gone", "no copy of it is kept", on_purpose]);
    }
    repo.run(&["infra:state:restore", "network"], 5).says(&["no whole copy"]);
    let shown = repo.run(&["infra:state:restore", "network", "--as-it-is", "--dry-run"], 0).stdout;
    assert!(shown.contains("there is none, and all is made anew"), "{shown}");
    repo.run(&["infra:apply"], 7);
    repo.run(&["infra:state:restore", "network", "--as-it-is"], 0);
    assert!(repo.run(&["infra:apply"], 0).stdout.contains("2 added"));

    // An empty object is none to Terraform.
    repo.size(2);
    repo.run(&["infra:apply"], 0);
    repo.put_state(b"\n");
    repo.run(&["infra:apply"], 7).says(&["is gone", "newest-copy: ", "puts the newest copy back"]);
    let shown = repo.run(&["infra:state:restore", "network", "--dry-run"], 0).stdout;
    assert!(shown.contains("becomes copy") && shown.contains("serial 2"), "{shown}");
    let lock = br#"{"ID": "of-terraform", "Who": "bob@elsewhere"}"#;
    put(&repo.moto, &format!("tasks-gone/{STATE}.tflock"), lock);
    repo.run(&["infra:state:restore", "network"], 6).says(&["bob@elsewhere"]);
    repo.run(&["infra:state:unlock", "network", "--id", "of-terraform", "--force"], 0);
    let done = repo.run(&["infra:state:restore", "network"], 0).stdout;
    assert!(done.contains("again") && done.contains("cargo xtask infra:plan"), "{done}");
    assert!(repo.run(&["infra:plan"], 0).stdout.contains("no changes"), "it is the one that was left");
}

#[test]
fn a_damaged_state_is_put_right_by_a_copy_and_one_of_another_history_by_a_word() {
    let repo = Repo::in_s3("tasks-damaged");
    repo.run(&["infra:state:setup"], 0);
    for size in [1, 2] {
        repo.size(size);
        repo.run(&["infra:apply"], 0);
    }
    repo.put_state(b"{\"version\":4,\"serial\":2,\"lineage\":\"x");
    repo.run(&["infra:apply"], 4).says(&["is damaged", "cut off", "infra:state:restore network"]);
    repo.run(&["infra:state:restore", "network", "--as-it-is"], 4).says(&["no whole state"]);
    repo.run(&["infra:state:rollback", "network"], 4).says(&["infra:state:restore"]);
    let copies = || {
        let history = repo.json(&["infra:state:history", "network"]);
        history["moments"].as_array().unwrap().iter().filter(|moment| moment["kind"] == "copy").count()
    };
    let before = copies();
    repo.run(&["infra:state:restore", "network"], 0);
    assert_eq!(copies(), before + 1, "what lay there is kept");
    assert!(repo.run(&["infra:plan"], 0).stdout.contains("no changes"), "it is the one that was left");

    let other = br#"{"version":4,"serial":9,"lineage":"other","terraform_version":"1.5.0","outputs":{},"resources":[]}"#;
    repo.put_state(other);
    repo.run(&["infra:apply"], 7).says(&["another state lies where", "--as-it-is"]);
    repo.run(&["infra:state:restore", "network", "--copy", "nope"], 5).says(&["no copy"]);
    repo.run(&["infra:state:restore", "network", "--as-it-is"], 0);
    assert!(repo.run(&["infra:plan"], 0).stdout.contains("2 to add"));
    // That word was about this one alone.
    repo.put_state(&String::from_utf8_lossy(other).replace("other", "third").into_bytes());
    repo.run(&["infra:plan"], 7).says(&["another state lies where"]);
    let ledger = repo.run(&["infra:ledger:show"], 0).stdout;
    assert!(ledger.contains("state.restore"), "{ledger}");
}

#[test]
fn another_account_or_region_than_that_of_infra_toml_is_not_applied_to() {
    let mut repo = Repo::in_s3("tasks-guarded");
    repo.run(&["infra:state:setup"], 0);
    repo.vars.push(("AWS_REGION", "us-east-1".into()));
    for task in ["infra:apply", "infra:state:setup"] {
        repo.run(&[task], 3).says(&["two regions are named", "unset AWS_REGION"]);
    }
    repo.vars.pop();
    let toml = std::fs::read_to_string(repo.scratch.join("repo/infra.toml")).unwrap();
    repo.scratch.write("repo/infra.toml", toml.replace("123456789012", "210987654321"));
    for task in [&["infra:apply"][..], &["infra:state:setup"], &["infra:state:lock", "network"]] {
        repo.run(task, 3).says(&["another account", "AWS_PROFILE"]);
    }
    // What another account has is not told as what this one has, and no dry run is better than what it stands for.
    for task in [&["infra:state:list"][..], &["infra:state:setup", "--dry-run"], &["infra:ledger:show"]] {
        repo.run(task, 3).says(&["another account", "AWS_PROFILE"]);
    }
    // Also where the state is a folder: what Terraform changes is in that account.
    let toml = toml.replace("123456789012", "210987654321");
    let folder = toml.replace("{ backend = \"s3\", bucket = \"tasks-guarded\" }", "{ backend = \"local\" }");
    repo.scratch.write("repo/infra.toml", folder);
    repo.run(&["infra:apply"], 3).says(&["another account"]);
}

#[test]
fn a_stack_goes_back_by_a_copy_in_the_bucket_and_the_code_that_the_ledger_names() {
    let repo = Repo::in_s3("tasks-back");
    repo.run(&["infra:state:setup"], 0);
    repo.git(&["init", "--quiet", "--initial-branch=main"]);
    for size in [1, 2] {
        repo.size(size);
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "--quiet", "-m", "change"]);
        repo.run(&["infra:apply"], 0);
    }
    let back = repo.run(&["infra:state:rollback", "network"], 0).stdout;
    assert!(back.contains("rolled back network: 0 added, 2 changed, 0 destroyed"), "{back}");
    let history = repo.run(&["infra:state:history", "network", "--last", "2"], 0).stdout;
    assert!(history.contains("apply  done by ada, 0 added, 2 changed, 0 destroyed, serial 3"), "{history}");
    assert_eq!(history.lines().count(), 2, "{history}");
}

#[test]
fn a_state_that_is_not_whole_or_of_another_history_is_refused_before_anything_is_planned() {
    let repo = Repo::in_s3("tasks-bad-state");
    repo.run(&["infra:state:setup"], 0);
    repo.run(&["infra:apply"], 0);
    repo.size(2);
    repo.run(&["infra:apply"], 0);
    let history = repo.json(&["infra:state:history", "network"]);
    let copy = history["moments"][1]["id"].as_str().unwrap().to_owned();
    let back = |code, says: &[&str]| {
        repo.run(&["infra:state:rollback", "network", "--copy", &copy, "--commit", "HEAD"], code).says(says);
    };
    for (bytes, code, says) in [
        (&b"{\"version\":4,\"serial\":2,\"lineage\":\"x"[..], 4, "cut off"),
        (b"{\"version\":4,\"serial\":2,\"lineage\":\"other\"}", 7, "two histories"),
        (b"{\"version\":9,\"serial\":2}", 4, "newer Terraform"),
        (b"<html>", 4, "can not be read"),
    ] {
        repo.put_state(bytes);
        back(code, &[says, "next:"]);
        repo.run(&["infra:state:diff", "network"], code).says(&[says, "next:"]);
    }
}

#[test]
fn state_in_r2_is_applied_with_keys_that_lie_nowhere() {
    let state = format!("{{ backend = \"r2\", bucket = \"tasks-r2\", account = \"{ACCOUNT}\" }}");
    let mut repo = Repo::new("tasks-r2", &state);
    repo.moto.python("client('s3').create_bucket(Bucket='tasks-r2', CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})");
    repo.run(&["infra:state:list"], 3).says(&["R2_ACCESS_KEY_ID", "no keys for R2"]);
    let keys = ["canary-r2-key-id", "canary-r2-secret"];
    // What is AWS's is of no use here.
    repo.vars = vec![
        ("R2_ENDPOINT_URL", repo.s3.url()),
        ("R2_ACCESS_KEY_ID", keys[0].into()),
        ("R2_SECRET_ACCESS_KEY", keys[1].into()),
        ("AWS_SESSION_TOKEN", "of-aws".into()),
        ("AWS_PROFILE", "nobody".into()),
    ];
    let toml = std::fs::read_to_string(repo.scratch.join("repo/infra.toml")).unwrap();
    repo.scratch.write("repo/infra.toml", toml.replace("\"tasks-r2\"", "\"tasks-r2-never-made\""));
    repo.run(&["infra:state:setup"], 5)
        .says(&["no such bucket in R2", "wrangler r2 bucket create tasks-r2-never-made"]);
    repo.scratch.write("repo/infra.toml", toml);
    let done = repo.run(&["infra:state:setup"], 0).stdout;
    assert!(done.contains("r2://tasks-r2 is as it should be") && done.contains("locks: probed"), "{done}");
    repo.run(&["infra:apply"], 0);
    repo.size(2);
    repo.run(&["infra:plan"], 0);
    repo.run(&["infra:apply"], 0);
    let shown = repo.run(&["infra:state:show", "network"], 0).stdout;
    assert!(shown.contains("serial 2"), "{shown}");
    let held = holding(repo.scratch.path(), &keys);
    assert!(held.is_empty(), "the keys of R2 lie in {held:?}");
}

/// The files below a folder that hold one of these texts.
pub(crate) fn holding(folder: &std::path::Path, texts: &[&str]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(holding(&path, texts));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |text: &&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            if texts.iter().any(holds) {
                found.push(path);
            }
        }
    }
    found
}
