//! `infra:nats:health` as a person, a monitor and a pipeline see it.

use infra_sdk::app::Captured;
use infra_sdk::{App, Console, Cx, Env, Error, InfraTasks};
use serde_json::Value;
use support::{Finished, NatsServer, Run, Scratch};

struct Repo(Scratch);

impl Repo {
    fn with(environment: &str) -> Self {
        let scratch = Scratch::new("nats-task");
        let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";
        scratch.write("repo/infra.toml", format!("{project}[env.local]\n[env.staging]\n{environment}\n"));
        Repo(scratch)
    }

    fn run(&self, args: &[&str]) -> Finished {
        self.command(args).finish()
    }

    fn command(&self, args: &[&str]) -> Run {
        Run::new(env!("CARGO_BIN_EXE_product"), &self.0.join("repo"))
            .env("INFRA_HOME", self.0.join("home"))
            .env("XDG_CONFIG_HOME", self.0.join("config"))
            .env("USER", "ada")
            .args(args)
    }

    /// The exit code of a deploy that waits for the check, and what it printed.
    fn deploy(&self, args: &[&str]) -> (u8, String) {
        self.deploy_in(None, args)
    }

    /// The same as a part of a run.
    fn deploy_in(&self, run: Option<&str>, args: &[&str]) -> (u8, String) {
        let (console, seen) = self.console(run);
        // On a thread of its own: it has a runtime, and so has the test.
        let code = std::thread::scope(|scope| scope.spawn(|| self.deploy_on(console, run, args)).join());
        (code.expect("it ends"), seen.stdout())
    }

    fn env(&self, run: Option<&str>) -> Env {
        let text = |name: &str| self.0.join(name).display().to_string();
        let mut variables = vec![("INFRA_HOME", text("home")), ("XDG_CONFIG_HOME", text("config"))];
        variables.extend(run.map(|run| ("INFRA_RUN", run.to_owned())));
        Env::of(variables, self.0.join("repo"))
    }

    fn console(&self, run: Option<&str>) -> (Console, Captured) {
        Console::captured(self.env(run))
    }

    fn deploy_on(&self, console: Console, run: Option<&str>, args: &[&str]) -> u8 {
        let args = ["deploy", "-j", "1"].iter().chain(args).copied();
        let tasks = |app: &mut App, infra: &InfraTasks| {
            let deploy = app.task("deploy").about("Ship").after(infra.nats.health);
            deploy.run(|_: Cx| async { Ok::<_, Error>(()) });
        };
        infra_sdk::tasks::run(&self.env(run), console, args, tasks)
    }
}

/// A repo whose staging environment is that server, made ready for it.
async fn staging(server: &NatsServer) -> Repo {
    crate::nats_health::bootstrap(&crate::nats_health::at(&server.url())).await;
    Repo::with(&format!("nats = {{ url = \"{}\" }}", server.url()))
}

#[tokio::test]
async fn the_report_is_for_people_for_programs_and_for_monitors() {
    let server = NatsServer::start();
    let repo = staging(&server).await;
    let health = ["infra:nats:health", "--env", "staging"];
    let text = repo.run(&health).expect(0).stdout;
    assert!(text.contains("NATS at nats://127.0.0.1") && text.contains("canary"), "{text}");
    let json = repo.run(&[&health[..], &["--output", "json"]].concat()).expect(0).stdout;
    let json: Value = serde_json::from_str(&json).expect("it is JSON and nothing else");
    assert_eq!(json.to_string().matches("\"state\":\"ok\"").count(), 9, "{json:#}");
    let nagios = repo.run(&[&health[..], &["--format", "nagios"]].concat()).expect(0).stdout;
    assert!(nagios.starts_with("NATS OK - 8 probes | "), "{nagios}");
    let metrics = repo.run(&[&health[..], &["--format", "prometheus"]].concat()).expect(0).stdout;
    assert!(metrics.contains("infra_health_up{service=\"NATS\"} 1"), "{metrics}");
    let monitor = server.monitoring();
    let monitored = [&health[..], &["--monitor", &monitor]].concat();
    assert!(repo.run(&monitored).expect(0).stdout.contains(&monitor));
}

#[tokio::test]
async fn a_deploy_that_waits_for_it_prints_one_line_while_all_is_well_and_everything_once_it_is_not() {
    let mut server = NatsServer::start();
    let repo = staging(&server).await;
    let (code, text) = repo.deploy(&["--env", "staging"]);
    let line = format!("NATS at {}: ok, 8 probes, took ", server.url());
    assert!(code == 0 && text.starts_with(&line) && text.lines().count() == 1, "{code}: {text}");
    server.kill();
    let (code, text) = repo.deploy(&["--env", "staging"]);
    assert!(code != 0 && text.contains("hint: start the server"), "{code}: {text}");
}

#[tokio::test]
async fn in_a_run_of_many_repos_a_server_that_comes_back_fails_no_deploy() {
    let mut server = NatsServer::start();
    let repo = staging(&server).await;
    server.kill();
    let (console, seen) = repo.console(Some("r1"));
    let (code, text) = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| repo.deploy_on(console, Some("r1"), &["--env", "staging"]));
        // Only who has found it dead looks again.
        let begun = std::time::Instant::now();
        while !seen.stdout().contains("is not well") {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{}", seen.stdout());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        server.restart();
        (deploying.join().expect("it ends"), seen.stdout())
    });
    assert!(code == 0 && text.contains("is not well, looking again in 1.0 s"), "{code}: {text}");
    assert!(text.contains(": ok, 8 probes, took "), "{text}");
}

#[tokio::test]
async fn a_dead_server_ends_each_form_as_it_should() {
    let mut server = NatsServer::start();
    let repo = staging(&server).await;
    server.kill();
    let health = ["infra:nats:health", "--env", "staging"];
    let text = repo.run(&health);
    assert_ne!(text.code, 0);
    text.says(&["NATS cannot be used", "refused", "start the server"]);
    let nagios = repo.run(&[&health[..], &["--format", "nagios"]].concat()).expect(2).stdout;
    assert!(nagios.starts_with("NATS CRITICAL - connect: "), "{nagios}");
}

#[test]
fn where_events_are_files_the_check_says_so_and_passes() {
    let repo = Repo::with("");
    let text = repo.run(&["infra:nats:health"]).expect(0).stdout;
    assert!(text.contains("events are a file on this machine"), "{text}");
}

#[test]
fn an_environment_that_names_no_nats_is_looked_at_where_its_events_are_and_told_what_to_add_for_more() {
    let repo = Repo::with("provider = \"aws\"\nregion = \"eu-central-1\"");
    // Events are lines of a file there, and a deploy must not fail for want of a server that nobody asked for.
    let local = repo.run(&["infra:nats:health", "--env", "staging"]).expect(0);
    assert!(local.stdout.contains("ok"), "{}", local.stdout);
    let monitor = ["infra:nats:health", "--env", "staging", "--monitor", "http://127.0.0.1:1"];
    let refused = repo.run(&monitor);
    assert_ne!(refused.code, 0);
    refused.says(&["no NATS is named", "nats = {", "[env.staging]"]);
    let nagios = repo.run(&[&monitor[..], &["--format", "nagios"]].concat()).expect(3);
    assert!(nagios.stdout.starts_with("UNKNOWN - "), "{}", nagios.stdout);
}

#[test]
fn settings_that_cannot_be_meant_are_told_when_they_are_used_and_not_before() {
    let repo = Repo::with("nats = { url = \"nats://127.0.0.1:1\", creds = \"none.creds\" }");
    drop(repo.run(&["infra:config:show", "--env", "staging"]).expect(0));
    let refused = repo.run(&["infra:nats:health", "--env", "staging"]);
    assert_ne!(refused.code, 0);
    refused.says(&["there is no creds file at", "none.creds"]);
}

#[test]
fn a_run_that_outlasts_anything_is_refused_as_a_flag() {
    let repo = Repo::with("");
    let refused = repo.run(&["infra:nats:health", "--planned", "soon"]);
    assert_ne!(refused.code, 0);
    let monitored = repo.run(&["infra:nats:health", "--monitor", "http://127.0.0.1:1"]);
    assert_ne!(monitored.code, 0, "a monitor without a server is no check");
}
