//! One stack from its first plan to its last error, with the real terraform and resources that need no network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use infra_sdk::local::LocalState;
use infra_sdk::process::{LineSink, Stream};
use infra_sdk::state::{StateBackend, StateKey};
use infra_sdk::terraform::{PlanFile, Stack, StackPlace, Terraform};
use infra_sdk::{CancelToken, Cmd, Env, ErrorKind, SecretValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A repo with one stack, its data and its state, removed when dropped.
struct Sandbox {
    root: PathBuf,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl LineSink for Seen {
    fn line(&self, _: Stream, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Sandbox {
    fn new(code: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("infra-sdk terraform é={}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        let sandbox = Sandbox { root: root.canonicalize().unwrap_or(root), seen: Arc::default() };
        sandbox.code(code);
        sandbox
    }

    fn code(&self, code: &str) {
        fs::create_dir_all(self.stack_dir()).unwrap();
        fs::write(self.stack_dir().join("main.tf"), code).unwrap();
    }

    fn stack_dir(&self) -> PathBuf {
        self.root.join("repo/terraform/network")
    }

    async fn place(&self, data: &str) -> StackPlace {
        let backend = LocalState::new(self.root.join("state")).settings(&self.key()).await.unwrap();
        StackPlace {
            name: "network".parse().unwrap(),
            repo: self.root.join("repo"),
            dir: "terraform/network".into(),
            data: self.root.join(data),
            backend,
            lock_timeout: Duration::ZERO,
        }
    }

    fn key(&self) -> StateKey {
        "acme/shop/local/network/terraform.tfstate".parse().unwrap()
    }

    async fn open(&self, data: &str) -> Stack {
        let seen = self.seen.clone();
        let start = move |program: &Path| Cmd::new(program).sink(seen.clone());
        let stack = terraform().await.stack(self.place(data).await, start).await.unwrap();
        stack.init().await.unwrap();
        stack
    }

    fn seen(&self) -> String {
        self.seen.0.lock().unwrap().join("\n")
    }

    fn state_file(&self) -> PathBuf {
        self.root.join("state").join(self.key().to_string())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

async fn terraform() -> Terraform {
    let env = Env::of_process().unwrap();
    Terraform::find(&BTreeMap::new(), &env, Path::new("/nonexistent"))
        .await
        .expect("these tests need terraform or tofu on PATH")
}

const NETWORK: &str = r#"
variable "name" { type = string }
variable "zones" { type = list(string) }
variable "token" {
  type      = string
  sensitive = true
}
resource "terraform_data" "vpc" { input = var.name }
resource "terraform_data" "subnet" {
  for_each = toset(var.zones)
  input    = each.key
}
resource "terraform_data" "token" { triggers_replace = var.token }
output "vpc_name" { value = terraform_data.vpc.input }
output "zones" { value = var.zones }
output "api_token" {
  value     = var.token
  sensitive = true
}
"#;

#[derive(Serialize)]
struct Variables {
    name: String,
    zones: Vec<String>,
    token: SecretValue,
}

fn variables(name: &str, zones: &[&str]) -> Variables {
    Variables {
        name: name.into(),
        zones: zones.iter().map(ToString::to_string).collect(),
        token: SecretValue::new("canary-token"),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files_below(&path)) } else { all.push(path) }
    }
    all
}

/// The names of the outputs that change.
fn outputs_of(plan: &PlanFile) -> Vec<&str> {
    plan.summary().outputs.iter().map(|output| output.name.as_str()).collect()
}

#[tokio::test]
async fn a_stack_is_planned_applied_and_then_has_no_changes() {
    let sandbox = Sandbox::new(NETWORK);
    let stack = sandbox.open("data").await;
    let plan = stack.plan(&variables("main", &["a", "b"])).await.unwrap();
    assert!(plan.has_changes());
    assert_eq!((plan.summary().counts.add, plan.summary().counts.destroy), (4, 0));
    let text = plan.to_string();
    assert!(text.starts_with("network: 4 to add, 0 to change, 0 to destroy"), "{text}");
    assert!(text.contains("+ terraform_data.subnet[\"a\"]"), "{text}");
    let file = plan.path().to_owned();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
    let applied = stack.apply(plan).await.unwrap();
    assert_eq!(applied.to_string(), "network: 4 added, 0 changed, 0 destroyed");
    assert!(!file.exists() && fs::read_dir(file.parent().unwrap()).unwrap().next().is_none());

    let again = stack.plan(&variables("main", &["a", "b"])).await.unwrap();
    assert!(!again.has_changes());
    assert_eq!(again.to_string(), "network: no changes");
    drop(again);

    let change = stack.plan(&variables("other", &["b", "c"])).await.unwrap();
    let counts = change.summary().counts;
    assert_eq!((counts.add, counts.change, counts.destroy, counts.replace), (1, 1, 1, 0));
    assert_eq!(outputs_of(&change), ["vpc_name", "zones"]);
    assert!(sandbox.seen().contains("Apply complete!"), "output goes to the task");
    assert_eq!(files_below(&sandbox.root.join("repo")), [sandbox.stack_dir().join("main.tf")]);
}

#[tokio::test]
async fn outputs_come_back_and_a_secret_variable_is_never_shown() {
    // The code forgets to mark the token as sensitive, so that terraform itself would print it.
    let sandbox = Sandbox::new(
        "variable \"token\" { type = string }\noutput \"seen\" { value = var.token }\n\
         output \"hidden\" {\n value = var.token\n sensitive = true\n}\noutput \"count\" { value = 2 }\n",
    );
    let stack = sandbox.open("data").await;
    let none = stack.outputs::<BTreeMap<String, u8>>().await.unwrap();
    assert!(none.is_empty());
    let variables = BTreeMap::from([("token", SecretValue::new("canary-token"))]);
    let plan = stack.plan(&variables).await.unwrap();
    assert_eq!(outputs_of(&plan), ["count", "hidden", "seen"]);
    stack.apply(plan).await.unwrap();
    let outputs = stack.outputs_raw().await.unwrap();
    assert_eq!(outputs["count"].value, json!(2));
    assert!(outputs["hidden"].sensitive && outputs["hidden"].value == "canary-token");
    assert_eq!(format!("{:?}", outputs["hidden"]), "[secret]");

    #[derive(Deserialize)]
    struct Outputs {
        count: u8,
        seen: String,
        hidden: SecretValue,
    }
    let typed: Outputs = stack.outputs().await.unwrap();
    assert_eq!(
        (typed.count, typed.seen.as_str(), typed.hidden.expose()),
        (2, "canary-token", "canary-token")
    );
    let wrong = stack.outputs::<BTreeMap<String, u8>>().await.unwrap_err().report().to_string();
    assert!(wrong.contains("output hidden") && wrong.contains("output seen"), "{wrong}");
    assert!(sandbox.seen().contains("***") && !sandbox.seen().contains("canary"), "{}", sandbox.seen());
    for file in files_below(&sandbox.root.join("data")) {
        assert!(!fs::read_to_string(&file).unwrap_or_default().contains("canary"), "{}", file.display());
    }
}

#[tokio::test]
async fn a_plan_that_was_overtaken_is_a_conflict() {
    let sandbox = Sandbox::new(NETWORK);
    let stack = sandbox.open("data").await;
    let first = stack.plan(&variables("one", &[])).await.unwrap();
    let second = stack.plan(&variables("two", &[])).await.unwrap();
    stack.apply(second).await.unwrap();
    let error = stack.apply(first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.report());
    assert!(error.hints()[0].contains("plan again"));
    assert!(error.report().to_string().contains("Saved plan is stale"), "{}", error.report());
}

const SLOW: &str = r#"
resource "terraform_data" "slow" {
  provisioner "local-exec" { 
    command = "touch '$DIR/started'; while [ ! -e '$DIR/go' ]; do sleep 0.05; done"
  }
}
"#;

async fn wait_for(path: &Path) {
    for _ in 0..600 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} did not appear", path.display());
}

#[tokio::test]
async fn a_lock_of_another_run_names_its_holder() {
    let sandbox = Sandbox::new("");
    sandbox.code(&SLOW.replace("$DIR", sandbox.root.to_str().unwrap()));
    let one = sandbox.open("one").await;
    let two = sandbox.open("two").await;
    let plan = one.plan(&()).await.unwrap();
    let applying = tokio::spawn(async move { one.apply(plan).await });
    wait_for(&sandbox.root.join("started")).await;

    let error = two.plan(&()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.report());
    let text = error.to_string();
    assert!(text.contains("holder: ") && text.contains("operation: OperationTypeApply"), "{text}");

    let busy = terraform().await.stack(sandbox.place("one").await, |program| Cmd::new(program)).await;
    assert_eq!(busy.err().map(|error| error.kind()), Some(ErrorKind::Locked));

    fs::write(sandbox.root.join("go"), "").unwrap();
    applying.await.unwrap().unwrap();
    assert!(!two.plan(&()).await.unwrap().has_changes());
}

#[tokio::test]
async fn a_killed_apply_says_so_and_the_same_again_completes() {
    let sandbox = Sandbox::new("");
    let code = SLOW.replace("$DIR", sandbox.root.to_str().unwrap());
    sandbox.code(&code.replace("touch", "echo $PPID >"));
    let stack = sandbox.open("data").await;
    let plan = stack.plan(&()).await.unwrap();
    let killer = async {
        let note = sandbox.root.join("started");
        wait_for(&note).await;
        let pid = loop {
            let text = fs::read_to_string(&note).unwrap();
            if text.ends_with('\n') {
                break text.trim().to_owned();
            }
        };
        Cmd::new("kill").args(["-KILL", &pid]).run().await.unwrap();
        fs::write(sandbox.root.join("go"), "").unwrap();
    };
    let (result, ()) = tokio::join!(stack.apply(plan), killer);
    let error = result.unwrap_err();
    assert!(error.to_string().contains("apply was killed"), "{}", error.report());
    assert_eq!(error.exit_code(), Some(137));
    let plan = stack.plan(&()).await.unwrap();
    stack.apply(plan).await.unwrap();
    assert!(fs::read_to_string(sandbox.state_file()).unwrap().contains("slow"));
}

#[tokio::test]
async fn a_cancelled_apply_stops_in_order_and_writes_its_state() {
    let sandbox = Sandbox::new("");
    sandbox.code(&SLOW.replace("$DIR", sandbox.root.to_str().unwrap()));
    let cancel = CancelToken::new();
    let (token, seen) = (cancel.clone(), sandbox.seen.clone());
    let start = move |program: &Path| Cmd::new(program).sink(seen.clone()).cancel(token.clone());
    let stack = terraform().await.stack(sandbox.place("data").await, start).await.unwrap();
    stack.init().await.unwrap();
    let plan = stack.plan(&()).await.unwrap();
    let canceller = async {
        wait_for(&sandbox.root.join("started")).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(stack.apply(plan), canceller);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(sandbox.seen().contains("Interrupt received"), "{}", sandbox.seen());
    // The resource was begun, so it stands in the state as one to replace; nothing is lost and nothing is locked.
    assert!(fs::read_to_string(sandbox.state_file()).unwrap().contains("tainted"));
    drop(stack);
    let plan = sandbox.open("data").await.plan(&()).await.unwrap();
    assert_eq!(plan.summary().counts.replace, 1);
}

#[tokio::test]
async fn what_a_killed_run_left_is_removed_and_a_state_that_would_move_is_a_conflict() {
    let sandbox = Sandbox::new(NETWORK);
    drop(sandbox.open("data").await);
    let left = sandbox.root.join("data/run/left.tfplan");
    fs::write(&left, "secret").unwrap();
    let mut place = sandbox.place("data").await;
    place.backend = LocalState::new(sandbox.root.join("elsewhere")).settings(&sandbox.key()).await.unwrap();
    let stack = terraform().await.stack(place, |program| Cmd::new(program)).await.unwrap();
    assert!(!left.exists());
    let error = stack.init().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.report());
    assert!(error.hints()[0].contains("data/terraform/terraform.tfstate"), "{}", error.report());
    let told =
        |place: &str| error.context().find(|(key, _)| *key == place).map(|(_, value)| value.to_owned());
    let (from, to) = (told("from").unwrap(), told("to").unwrap());
    assert!(from != to && from.ends_with(".tfstate") && to.contains("/elsewhere/"), "{from} {to}");
    assert_eq!(error.exit_code(), None, "a conflict has a code of its own");
}

#[tokio::test]
async fn failures_carry_terraforms_own_words_and_leave_no_plan_behind() {
    let sandbox = Sandbox::new("resource \"terraform_data\" \"x\" {\n input = var.nope\n}\n");
    let stack = sandbox.open("data").await;
    let error = stack.plan(&()).await.unwrap_err();
    let report = error.report().to_string();
    assert!(report.starts_with("terraform plan failed (stack: network)"), "{report}");
    assert!(report.contains("Reference to undeclared input variable") && report.contains("main.tf line 2"));
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Failed, Some(1)));

    sandbox.code(
        "resource \"terraform_data\" \"x\" {\n provisioner \"local-exec\" {\n command = \"exit 7\"\n }\n}\n",
    );
    let plan = stack.plan(&()).await.unwrap();
    let error = stack.apply(plan).await.unwrap_err();
    assert!(error.report().to_string().contains("exit status 7"), "{}", error.report());
    assert_eq!(fs::read_dir(sandbox.root.join("data/run")).unwrap().count(), 0);
}

#[tokio::test]
async fn nothing_in_the_environment_steers_terraform_elsewhere() {
    let sandbox = Sandbox::new(NETWORK);
    let hostile = [("TF_CLI_ARGS_plan", "-destroy"), ("TF_WORKSPACE", "other"), ("TF_CLI_ARGS", "-nonsense")];
    let process = Env::of_process().unwrap();
    let vars = process.vars().map(|(key, value)| (key.clone(), value.clone()));
    let env = Env::of(vars.chain(hostile.map(|(key, value)| (key.into(), value.into()))), "/");
    let terraform = Terraform::find(&BTreeMap::new(), &env, Path::new("/nonexistent")).await.unwrap();
    let start =
        move |program: &Path| hostile.iter().fold(Cmd::new(program), |cmd, (key, value)| cmd.env(key, value));
    let stack = terraform.stack(sandbox.place("data").await, start).await.unwrap();
    stack.init().await.unwrap();
    let plan = stack.plan(&variables("main", &[])).await.unwrap();
    assert_eq!(plan.summary().counts.add, 2);
    stack.apply(plan).await.unwrap();
    assert!(sandbox.state_file().exists());
}

#[tokio::test]
async fn code_that_keeps_its_own_state_is_refused() {
    let sandbox = Sandbox::new("terraform {\n  backend \"s3\" {\n    bucket = \"x\"\n  }\n}\n");
    let error = terraform()
        .await
        .stack(sandbox.place("data").await, |program| Cmd::new(program))
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("main.tf:2"), "{error}");
    assert!(error.hints()[0].contains("infra.toml"));
}

#[tokio::test]
async fn another_version_than_the_pinned_one_says_how_to_get_it() {
    let pinned = |name: &str| -> BTreeMap<_, _> {
        let tool: Value = json!({ "version": "0.0.1" });
        [(name.parse().unwrap(), serde_json::from_value(tool).unwrap())].into()
    };
    let env = Env::of_process().unwrap();
    let error = Terraform::find(&pinned("terraform"), &env, Path::new("/nonexistent")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hints()[0].contains("infra:tools:install"), "{}", error.report());
    let none = Env::of([("PATH", "/nonexistent")], "/");
    let error = Terraform::find(&BTreeMap::new(), &none, Path::new("/nonexistent")).await.unwrap_err();
    assert!(error.hints()[0].contains("infra:tools:install"), "{}", error.report());
}
