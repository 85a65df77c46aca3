//! Deploys that meet trouble: killed at any moment, two at once, a taken port, a home that cannot be written.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{World, until};

/// A deploy that goes on by itself.
struct Running(std::process::Child);

impl Running {
    fn deploy(world: &World, set: &str) -> Self {
        Running::start(world, "shop-api", &["deploy", "--set", set])
    }

    fn start(world: &World, repo: &str, args: &[&str]) -> Self {
        #[expect(
            clippy::disallowed_types,
            reason = "the xtask must be met while it runs, and die without a chance"
        )]
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_product"));
        command.args(args).current_dir(world.scratch.join(repo));
        command.env("INFRA_HOME", world.scratch.join("home")).env("USER", "grace").env_remove("CI");
        let quiet = || Stdio::null();
        Running(command.stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().expect("it starts"))
    }

    fn kill(mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }

    /// Interrupts it, as Ctrl-C does, and gives its exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        let kill = support::Run::new("kill", Path::new("/")).args(["-INT", &pid]).finish();
        drop(kill.expect(0));
        self.0.wait().expect("it is ours").code()
    }
}

#[test]
fn a_deploy_killed_at_any_moment_is_completed_by_the_same_command() {
    let world = World::ready("interrupted-kill");
    let begun = Instant::now();
    world.deploy(&["VARIANT=first"], 0);
    // Moments are spread over the time a whole deploy takes, and a little beyond.
    let whole = begun.elapsed() + Duration::from_millis(100);
    let rounds = 12;
    for round in 0..rounds {
        let variant = format!("VARIANT=v{round}");
        let running = Running::deploy(&world, &variant);
        std::thread::sleep(whole * (round * 7 % rounds) / rounds);
        running.kill();
        // The lock of the dead run keeps nobody out, not even for a moment.
        world.deploy(&[&variant], 0);
        assert_eq!(world.get("/env?VARIANT"), format!("v{round}"));
        let status = world.json(&["infra:deploy:status"]);
        assert_eq!(status["observation"]["health"], json!("healthy"), "{status}");
        assert_eq!(status["candidate"], json!(null), "{status}");
        let ledger = std::fs::read_to_string(world.home("ledger.jsonl")).expect("a ledger");
        let serving = status["current"]["id"].as_str().expect("an id");
        assert!(ledger.contains(serving), "the ledger does not know of {serving} in round {round}");
        until("one supervisor and one service", || world.processes().len() == 2);
    }
    drop(world.shop(&["infra:ledger:verify"], 0));
}

#[test]
fn what_a_killed_deploy_could_not_record_is_recorded_by_the_same_command() {
    let world = World::ready("interrupted-record");
    world.deploy(&["VARIANT=one"], 0);
    let path = world.home("ledger.jsonl");
    let whole = std::fs::read_to_string(&path).expect("a ledger");
    let (before, _) = whole.trim_end().rsplit_once('\n').expect("two entries");
    // As a run leaves it that was killed between the switch and its entry, which it then had not noted either.
    std::fs::write(&path, format!("{before}\n")).expect("it is ours");
    std::fs::remove_dir_all(world.home("ledger-heads")).expect("the head was noted");
    for _ in 0..2 {
        let again = world.deploy(&["VARIANT=one"], 0);
        assert!(again.stdout.contains("is unchanged"), "{}", again.stdout);
        assert_eq!(world.ledger(), ["secrets.write done", "image.push done", "deploy done"]);
    }
    drop(world.shop(&["infra:ledger:verify"], 0));
}

#[test]
fn a_second_deploy_names_the_holder_and_an_interrupted_one_goes_back() {
    let world = World::ready("interrupted-two");
    world.deploy(&["VARIANT=one"], 0);
    let running = Running::deploy(&world, "BROKEN=hang");
    until("the first deploy waits for its release", || {
        world.json(&["infra:deploy:status"])["candidate"].is_object()
    });
    for task in ["deploy", "infra:deploy:rollback", "infra:deploy:stop"] {
        world.shop(&[task], 6).says(&["locked by grace", "operation: deploy", "next:"]);
    }
    assert_eq!(running.interrupt(), Some(130));
    assert_eq!(world.get("/env?VARIANT"), "one");
    assert_eq!(world.events().last().map(String::as_str), Some("deploy.cancelled"));
    assert_eq!(world.ledger().last().map(String::as_str), Some("deploy cancelled"));
    world.deploy(&["VARIANT=two"], 0);
    assert_eq!(world.get("/env?VARIANT"), "two");
}

#[test]
fn a_taken_port_is_named_and_what_serves_goes_on() {
    let world = World::ready("interrupted-port");
    world.deploy(&["VARIANT=one"], 0);
    let before = world.processes();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("a port").port();
    world.configure(&format!("[deploy]\nport = {port}\n"));
    let refused = world.deploy(&["VARIANT=two"], 7);
    refused.says(&[&format!("port {port} is taken"), "[deploy]", "next:"]);
    assert_eq!(world.processes(), before, "something was touched");
    // Nothing was rolled back, as nothing had begun.
    assert_eq!(world.ledger().last().map(String::as_str), Some("deploy failed"));
    assert_eq!(world.events().last().map(String::as_str), Some("deploy.failed"));
    drop(listener);
    world.deploy(&["VARIANT=two"], 0);
    assert_eq!(world.get("/env?VARIANT"), "two");
}

#[test]
fn a_home_that_cannot_be_written_is_named_by_every_task_that_needs_it() {
    let world = World::new("interrupted-home");
    let refused = |repo: &str, task: &str, home: &Path| {
        let refused = world.command(repo, &[task]).env("INFRA_HOME", home).finish();
        assert_ne!(refused.code, 0, "{task}: {}", refused.stdout);
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
        refused.says(&[&home.display().to_string(), "INFRA_HOME", "next:"]);
    };
    let writing = ["infra:secrets:setup", "promise", "build", "infra:deploy:stop"];
    let below_a_file = world.scratch.write("file", "").join("home");
    for task in writing.iter().chain(&["deploy", "infra:deploy:status", "infra:ledger:show"]) {
        refused("shop-api", task, &below_a_file);
    }
    refused("infrastructure", "infra:apply", &below_a_file);
    if cfg!(target_os = "linux") {
        // Not even root may make a folder there.
        let read_only = Path::new("/sys/kernel/home");
        writing.iter().for_each(|task| refused("shop-api", task, read_only));
        refused("infrastructure", "infra:apply", read_only);
    }
}

/// A resource whose making takes two seconds, is counted, and can be watched from outside.
const SLOW: &str = r#"
resource "terraform_data" "slow" {
  provisioner "local-exec" {
    command = "echo made >> ${path.root}/MADE; sleep 2; echo about to end"
  }
}
resource "terraform_data" "next" { input = terraform_data.slow.id }
"#;

/// An infrastructure repo with that resource; gives the file that counts.
fn slow_stack(world: &World) -> std::path::PathBuf {
    let made = world.scratch.join("made.txt");
    let code = SLOW.replace("${path.root}/MADE", &made.display().to_string());
    world.scratch.write("infrastructure/terraform/network/main.tf", code);
    made
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn a_killed_apply_with_terraform_loses_nothing_it_made() {
    let world = World::new("interrupted-apply");
    let made = slow_stack(&world);
    let running = Running::start(&world, "infrastructure", &["infra:apply"]);
    until("the resource is being made", || lines(&made) == 1);
    running.kill();
    // Terraform goes on alone, ends in good order, and the same command finds everything done.
    let again = world.infrastructure(&["infra:apply"], 0);
    assert_eq!(lines(&made), 1, "it was made twice: {}", again.stdout);
    let planned = world.infrastructure(&["infra:plan"], 0);
    assert!(planned.stdout.contains("no changes"), "{}", planned.stdout);
}

#[test]
fn an_interrupted_apply_with_terraform_ends_in_good_order_and_is_recorded() {
    let world = World::new("interrupted-int");
    let made = slow_stack(&world);
    let running = Running::start(&world, "infrastructure", &["infra:apply"]);
    until("the resource is being made", || lines(&made) == 1);
    assert_eq!(running.interrupt(), Some(130));
    let ledger = std::fs::read_to_string(world.home("ledger.jsonl")).expect("it was recorded");
    assert!(ledger.contains("\"action\":\"apply\""), "{ledger}");
    drop(world.infrastructure(&["infra:apply"], 0));
    let planned = world.infrastructure(&["infra:plan"], 0);
    assert!(planned.stdout.contains("no changes"), "{}", planned.stdout);
}

#[test]
fn what_a_killed_publication_wrote_is_recorded_and_told_by_the_same_command() {
    let world = World::new("interrupted-publish");
    drop(world.shop(&["promise"], 0));
    // As a run leaves it that was killed between the store and the ledger.
    std::fs::write(world.home("ledger.jsonl"), "").expect("it is ours");
    for _ in 0..2 {
        drop(world.shop(&["promise"], 0));
        assert_eq!(world.ledger(), ["publish done"], "once");
        assert_eq!(
            world.events(),
            ["refs.published"; 2],
            "by the first run, and by the one that found it untold"
        );
    }
}

#[test]
fn what_a_killed_setup_stored_is_recorded_by_the_same_command() {
    let world = World::new("interrupted-secrets");
    drop(world.shop(&["infra:secrets:setup"], 0));
    // As a run leaves it that was killed between the store and the ledger.
    std::fs::write(world.home("ledger.jsonl"), "").expect("it is ours");
    for _ in 0..2 {
        drop(world.shop(&["infra:secrets:setup"], 0));
        let ledger = std::fs::read_to_string(world.home("ledger.jsonl")).expect("a ledger");
        assert_eq!(ledger.lines().count(), 1, "{ledger}");
        assert!(ledger.contains("PEPPER SESSION_KEY"), "{ledger}");
    }
}
