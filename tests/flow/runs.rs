//! One deploy over many repos with real processes: order, once each, and every way to die in between.

use std::path::Path;
use std::time::{Duration, Instant};

use infra_sdk::state::LockInfo;
use infra_sdk::time::Timestamp;
use serde_json::{Value, json};
use support::Run;

use crate::fleet::{Fleet, Process};
use crate::killing::Killing;
use crate::world::until;

/// api, then web and worker.
const SHOP: [(&str, &[&str]); 3] = [("api", &[]), ("web", &["api"]), ("worker", &["api"])];

#[test]
fn every_repo_is_deployed_once_and_after_those_it_waits_for() {
    let fleet = Fleet::new("runs-order", &SHOP);
    // A program of the deploy's own, of the same xtask, is no other attempt.
    fleet.behaves("worker", "nests");
    // One agent in each checkout, as three people would start them.
    let agents: Vec<Process> =
        SHOP.iter().map(|(repo, _)| fleet.start(repo, &["infra:deploy:agent"])).collect();
    agents.iter().for_each(|agent| agent.says("serving"));
    let planned = fleet.run("web", &["infra:deploy:all", "--dry-run"], 0);
    assert!(planned.stdout.contains("web after api"), "{}", planned.stdout);
    let done = fleet.run("web", &["infra:deploy:all", "--repos", "worker,web,api"], 0);
    assert!(done.stdout.contains("is done: 3 done"), "{}", done.stdout);
    let log = fleet.log();
    assert_eq!(log.len(), 6, "{log:?}");
    fleet.check_log(&log, &SHOP);
    assert!(log[..2] == ["api start 1", "api end 1"], "{log:?}");
    agents[1].says("web │ deploy of");

    let run = fleet.status("last");
    assert_eq!((&run["outcome"], &run["env"]), (&json!("done"), &json!("local")), "{run}");
    let id = run["run"].as_str().expect("a name");
    let text = fleet.run("worker", &["infra:deploy:status", id], 0).stdout;
    assert!(text.contains("worker  done") && text.contains("ada@"), "{text}");
    // What runs in this repo is still what the status without a run shows.
    assert!(fleet.run("api", &["infra:deploy:status"], 0).stdout.contains("nothing was rolled out"));
    let actions: Vec<String> =
        fleet.lines("ledger.jsonl").iter().map(|entry| entry["action"].to_string()).collect();
    assert_eq!(actions, ["\"deploy.all.start\"", "\"deploy.all\""]);
    let events = fleet.lines("local/events.jsonl");
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("run.start"), count("run.step"), count("run.done")), (1, 3, 1), "{events:?}");
    drop(fleet.run("api", &["infra:ledger:verify"], 0));

    // The same again is another run; ended by TERM, agents end in good order.
    drop(fleet.run("api", &["infra:deploy:all", "--repos", "api"], 0));
    assert_eq!(fleet.log().len(), 8);
    for agent in agents {
        agent.signal("TERM");
        assert_eq!(agent.end().0, Some(130));
    }
}

#[test]
fn a_terminal_shows_a_table_that_is_redrawn_in_its_place() {
    let fleet = Fleet::new("runs-table", &SHOP);
    fleet.behaves("api", "waits");
    let agent = fleet.agent(&[]);
    let terminal = fleet.on_terminal("web", &["infra:deploy:all"]);
    terminal.says("api     running          1  ada@");
    fleet.behaves("api", "");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    let table = screen.split("goes on: ").nth(1).expect("a table");
    assert!(table.contains("repo    state      attempt  agent"), "{screen:?}");
    assert!(table.contains("\u{1b}[2K\u{1b}[1A\u{1b}[2K"), "it is taken away line by line: {screen:?}");
    let last = screen.rsplit("\u{1b}[2K").next().expect("what stays");
    assert!(last.contains("is done: 3 done") && last.contains("worker  done"), "{last:?}");
    drop(agent);
}

#[test]
fn a_failure_skips_what_waits_for_it_and_the_command_fails_without_a_secret() {
    let fleet =
        Fleet::new("runs-failure", &[("api", &[]), ("web", &["api"]), ("site", &["web"]), ("worker", &[])]);
    fleet.behaves("web", "fails");
    let agent = fleet.agent(&["--slots", "4"]);
    let failed = fleet.run("api", &["infra:deploy:all"], 1);
    failed.says(&["not every repo was deployed", "failed: web", "next:"]);
    assert_eq!(fleet.states("last"), ["api done", "web failed", "site skipped", "worker done"]);
    let status = fleet.status("last");
    let error = status["repos"][1]["error"].as_str().expect("an error");
    assert!(error.contains("the deploy does not work") && error.contains("***"), "{error}");
    let text = fleet.run("api", &["infra:deploy:status", "last"], 0).stdout;
    assert!(text.contains("because of web") && text.contains("try something else"), "{text}");
    fleet.behaves("web", "");
    drop(fleet.run("api", &["infra:deploy:all"], 0));
    assert!(!agent.said().contains("canary"), "{}", agent.said());
}

#[test]
fn a_cancelled_run_begins_nothing_more_and_stops_what_runs() {
    let fleet = Fleet::new("runs-cancel", &SHOP);
    fleet.behaves("api", "hangs");
    let agent = fleet.agent(&["--slots", "2"]);
    let all = fleet.all(&[]);
    let run = all.run();
    until("the deploy begins", || !fleet.log().is_empty());
    let busy = fleet.run("web", &["infra:deploy:all", "--repos", "web"], 7);
    busy.says(&["`web` is in another run", &run, "infra:deploy:cancel"]);
    let cancelled = fleet.run("web", &["infra:deploy:cancel", &run], 0);
    assert!(cancelled.stdout.contains("was cancelled: 3 cancelled"), "{}", cancelled.stdout);
    let (code, said) = all.end();
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(fleet.log(), ["api start 1", "api stopped 1"]);
    fleet.run("web", &["infra:deploy:cancel", &run], 4).says(&["has ended", "infra:deploy:status"]);
    fleet.behaves("api", "");
    drop(fleet.run("web", &["infra:deploy:all"], 0));
    let ledger = fleet.lines("ledger.jsonl");
    let outcomes: Vec<&str> = ledger
        .iter()
        .filter(|entry| entry["action"] == "deploy.all")
        .filter_map(|entry| entry["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, ["cancelled", "done"]);
    agent.kill();
}

#[test]
fn a_run_goes_on_without_the_command_that_started_it() {
    let fleet = Fleet::new("runs-leave", &SHOP);
    fleet.behaves("api", "waits");
    let agent = fleet.agent(&[]);
    let all = fleet.all(&[]);
    let run = all.run();
    until("the deploy begins", || !fleet.log().is_empty());
    all.signal("INT");
    let (code, said) = all.end();
    fleet.behaves("api", "");
    assert_eq!(code, Some(130), "{said}");
    for task in ["status", "resume", "cancel"] {
        assert!(said.contains(&format!("cargo xtask infra:deploy:{task} {run}")), "{said}");
    }
    until("the agent goes on alone", || fleet.status(&run)["outcome"] == "done");
    fleet.check_log(&fleet.log(), &SHOP);
    // Who comes later is told how it ended.
    until("the run is closed", || {
        fleet.lines("ledger.jsonl").iter().any(|entry| entry["action"] == "deploy.all")
    });
    drop(fleet.run("web", &["infra:deploy:resume", &run], 0));
    drop(agent);
}

#[test]
fn two_coordinators_and_two_agents_do_no_more_than_one_of_each() {
    let fleet = Fleet::new("runs-two", &SHOP);
    fleet.behaves("api", "takes 500");
    let agents = [fleet.agent(&["--slots", "3"]), fleet.agent(&["--slots", "3"])];
    let all = fleet.all(&[]);
    let run = all.run();
    let second = fleet.start("web", &["infra:deploy:resume", &run, "--lease", "5s"]);
    for coordinator in [all, second] {
        let (code, said) = coordinator.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("is done: 3 done"), "{said}");
    }
    assert_eq!(fleet.log().len(), 6, "{:?}", fleet.log());
    fleet.check_log(&fleet.log(), &SHOP);
    let ends = fleet.lines("ledger.jsonl").iter().filter(|entry| entry["action"] == "deploy.all").count();
    assert_eq!(ends, 1, "the end is recorded once");
    drop(agents);
}

#[test]
fn a_dead_coordinators_run_is_taken_over_within_two_leases() {
    let fleet = Fleet::new("runs-takeover", &SHOP);
    fleet.behaves("api", "waits");
    // An agent for one repo alone moves nothing on.
    let agent = fleet.start("api", &["infra:deploy:agent", "--once", "--lease", "5s"]);
    let all = fleet.all(&[]);
    let run = all.run();
    let standby = fleet.start("web", &["infra:deploy:resume", &run, "--lease", "5s"]);
    until("the deploy begins", || !fleet.log().is_empty());
    all.kill();
    let killed = Instant::now();
    fleet.behaves("api", "");
    assert_eq!(agent.end().0, Some(0));
    let rest = fleet.agent(&[]);
    let (code, said) = standby.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    fleet.check_log(&fleet.log(), &SHOP);
    drop(rest);
}

#[test]
fn an_agent_told_to_end_gives_its_work_back() {
    let fleet = Fleet::new("runs-give-back", &SHOP);
    fleet.behaves("api", "hangs");
    let first = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api"]);
    until("the deploy begins", || !fleet.log().is_empty());
    first.signal("TERM");
    let (code, said) = first.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("given back"), "{said}");
    fleet.behaves("api", "");
    let second = fleet.agent(&["--once"]);
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(second.end().0, Some(0));
    assert_eq!(fleet.log(), ["api start 1", "api stopped 1", "api start 2", "api end 2"]);
}

#[test]
fn a_killed_agents_deploy_ends_and_another_begins_it_anew() {
    let fleet = Fleet::new("runs-orphan", &SHOP);
    fleet.behaves("api", "hangs");
    let first = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api"]);
    until("the deploy begins", || !fleet.log().is_empty());
    first.kill();
    until("the deploy learns that it is alone", || fleet.log().len() == 2);
    fleet.behaves("api", "");
    let second = fleet.agent(&[]);
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fleet.log(), ["api start 1", "api stopped 1", "api start 2", "api end 2"]);
    drop(second);
}

#[test]
fn the_deploy_of_an_agent_that_stands_still_is_stopped_and_another_begins_it_anew() {
    let fleet = Fleet::new("runs-frozen", &SHOP);
    fleet.behaves("api", "hangs");
    let first = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api"]);
    until("the deploy begins", || !fleet.log().is_empty());
    first.signal("STOP");
    until("the deploy learns that its agent stands still", || fleet.log().len() == 2);
    fleet.behaves("api", "");
    let second = fleet.agent(&[]);
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    // Awake again, it has nothing to say about what it had claimed, and serves on.
    first.signal("CONT");
    first.says("serving anew");
    assert_eq!(fleet.log(), ["api start 1", "api stopped 1", "api start 2", "api end 2"]);
    drop(second);
}

#[test]
fn a_deploy_that_ended_well_under_an_agent_that_stands_still_is_not_begun_again() {
    let fleet = Fleet::new("runs-frozen-well", &SHOP);
    // What is deployed is known by its commit.
    fleet.commit("api");
    fleet.behaves("api", "waits");
    let first = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api"]);
    until("the deploy begins", || !fleet.log().is_empty());
    first.signal("STOP");
    fleet.behaves("api", "");
    until("the deploy ends", || fleet.log().len() == 2);
    let second = fleet.agent(&[]);
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    second.says("attempt 1 of this run had ended well");
    assert_eq!(fleet.log(), ["api start 1", "api end 1"]);
    first.signal("CONT");
    // The next run is another one.
    let (code, said) = fleet.all(&["--repos", "api"]).end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fleet.log()[2..], ["api start 1", "api end 1"]);
}

#[test]
fn a_lease_that_would_hold_things_for_days_is_refused_before_anything_is_started() {
    let fleet = Fleet::new("runs-lease", &SHOP);
    for task in ["infra:deploy:all", "infra:deploy:agent"] {
        for lease in ["10000d", "999999999h"] {
            fleet.run("api", &[task, "--lease", lease], 4).says(&["longer than an hour"]);
        }
    }
    fleet.run("api", &["infra:deploy:status", "last"], 5).says(&["was started here yet"]);
}

/// Waits for the deploy of `api` and the program that it started, and gives both.
#[cfg(target_os = "linux")]
fn spawned(fleet: &Fleet) -> (u32, u32) {
    let read = |name: &str| {
        let text = std::fs::read_to_string(fleet.scratch.join(format!("checkouts/api/{name}"))).ok()?;
        text.trim().parse::<u32>().ok()
    };
    until("the deploy has started a program", || read("parent").is_some());
    (read("parent").expect("just seen"), read("child").expect("written before"))
}

#[cfg(target_os = "linux")]
fn lives(process: u32) -> bool {
    // What has ended and was not waited for has no command any more.
    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|command| !command.is_empty())
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_deploy_had_started_ends_before_it_counts_as_failed_when_it_is_killed_alone() {
    let fleet = Fleet::new("runs-alone", &SHOP);
    fleet.behaves("api", "spawns");
    let agent = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api"]);
    let (deploy, program) = spawned(&fleet);
    crate::dev::kill(deploy, "KILL");
    let (code, said) = all.end();
    assert!(code == Some(1) && !lives(program), "{said}");
    assert!(said.contains("signal: 9"), "{said}");
    drop(agent);
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_attempt_waits_for_the_end_of_what_the_first_had_started_when_all_of_it_is_killed() {
    let fleet = Fleet::new("runs-all-killed", &SHOP);
    fleet.behaves("api", "spawns");
    let first = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api"]);
    let (deploy, program) = spawned(&fleet);
    // Both at once, so that neither gets to end what the other left.
    let both = [deploy, first.id()].map(|process| process.to_string());
    drop(Run::new("kill", Path::new("/")).args(["-KILL"]).args(&both).finish().expect(0));
    first.kill();
    assert!(lives(program));
    fleet.behaves("api", "");
    let second = fleet.agent(&[]);
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(!lives(program));
    second.says("ended a program that an attempt left running when it was killed");
    assert_eq!(fleet.log(), ["api start 1", "api start 2", "api end 2"]);
}

#[test]
fn the_lock_of_a_deploy_that_died_is_waited_for_and_no_failure_of_the_repo() {
    let fleet = Fleet::new("runs-locked", &SHOP);
    fleet.behaves("api", "stops");
    // As a machine that is gone leaves it in a bucket: nothing proves that its holder is dead, and it ends by time alone.
    let mut holder = LockInfo::new("eve@elsewhere", "deploy", Duration::from_secs(3600)).expect("a lock");
    holder.process = None;
    let lock = "home/acme/local/locks/deploy/acme/api/local.json";
    fleet.scratch.write(lock, serde_json::to_string(&holder).expect("JSON"));
    fleet.run("api", &["infra:deploy:stop"], 6).says(&["eve@elsewhere", "ends by itself"]);
    let agent = fleet.agent(&[]);
    let all = fleet.all(&["--repos", "api,web"]);
    agent.says("waiting for the deploy before this one to end");
    assert_eq!(fleet.log(), ["api start 1"], "it is not taken away from whoever has it");
    // Its time is over; replaced whole, as it is being read.
    holder.expires = Timestamp::now();
    let next = fleet.scratch.write("next.json", serde_json::to_string(&holder).expect("JSON"));
    std::fs::rename(next, fleet.scratch.join(lock)).expect("the scratch folder is writable");
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fleet.log(), ["api start 1", "api end 1", "web start 1", "web end 1"]);
}

#[test]
fn how_long_a_repo_may_wait_outlives_the_command_that_said_it() {
    let fleet = Fleet::new("runs-wait", &SHOP);
    let all = fleet.all(&["--repos", "worker", "--wait", "6s"]);
    let run = all.run();
    all.kill();
    let (code, said) = fleet.start("web", &["infra:deploy:resume", &run, "--lease", "5s"]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("given up after 6.0 s") && said.contains("nobody served it for"), "{said}");
    assert_eq!(fleet.states(&run), ["worker failed"]);
}

#[test]
fn a_repo_nobody_serves_is_named_and_given_up_after_the_wait() {
    let fleet = Fleet::new("runs-nobody", &SHOP);
    let agent = fleet.start("api", &["infra:deploy:agent"]);
    agent.says("serving");
    let all = fleet.all(&["--repos", "api,worker", "--wait", "4s"]);
    all.says("nobody serves worker: start `cargo xtask infra:deploy:agent` in its checkout");
    let (code, said) = all.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody served it for"), "{said}");
    assert_eq!(fleet.states("last"), ["api done", "worker failed"]);
}

#[test]
fn another_task_and_environment_are_used_when_the_settings_say_so() {
    let fleet = Fleet::new("runs-staging", &[("api", &[])]);
    fleet.repo("api", "[repos.api]\ntask = \"ship\"\nyes = [\"apply\"]\n");
    fleet.run("api", &["infra:deploy:all", "--env", "staging"], 3).says(&["--yes=infra:deploy:all"]);
    fleet.run("api", &["infra:deploy:agent", "--env", "staging"], 3).says(&["--yes=infra:deploy:agent"]);
    let elsewhere = fleet.start("api", &["infra:deploy:agent"]);
    let agent =
        fleet.start("api", &["infra:deploy:agent", "--env", "staging", "--yes=infra:deploy:agent", "--once"]);
    let all = ["infra:deploy:all", "--env", "staging", "--yes=infra:deploy:all"];
    let done = fleet.run("api", &all, 0);
    assert!(done.stdout.contains("into staging is done"), "{}", done.stdout);
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("ship of") && said.contains("api │") && said.contains("served: 1 deploy"),
        "{said}"
    );
    assert!(!elsewhere.said().contains("api │"), "{}", elsewhere.said());

    // What one environment did not confirm is not done in it by a command for another.
    let last = ["infra:deploy:status", "last", "--env", "staging", "--output", "json"];
    let status: Value = serde_json::from_str(&fleet.run("api", &last, 0).stdout).expect("JSON");
    let run = status["run"].as_str().expect("a name");
    for task in ["infra:deploy:resume", "infra:deploy:cancel"] {
        fleet.run("api", &[task, run], 4).says(&["of the environment staging", "--env staging"]);
        let yes = format!("--yes={task}");
        fleet.run("api", &[task, run, "--env", "staging"], 3).says(&[yes.as_str()]);
    }
    let resume = ["infra:deploy:resume", run, "--env", "staging", "--yes=infra:deploy:resume"];
    assert!(fleet.run("api", &resume, 0).stdout.contains("into staging is done"));
}

#[test]
fn an_agent_runs_no_other_task_than_its_own_settings_name() {
    let fleet = Fleet::new("runs-other-task", &SHOP);
    // Whoever starts the run has other settings than the agent, as a repo that may write offers could have.
    fleet.repo("web", "[repos.api]\ntask = \"ship\"\n");
    let agent = fleet.agent(&[]);
    let (code, said) = fleet.start("web", &["infra:deploy:all", "--repos", "api", "--lease", "5s"]).end();
    let why = "the run asks for another task than this repo is deployed by here (asked: ship, here: deploy)";
    assert!(code == Some(1) && said.contains(why), "{said}");
    assert!(fleet.log().is_empty(), "{:?}", fleet.log());
    drop(agent);
}

#[test]
fn what_cannot_be_a_run_is_refused_with_a_way_out() {
    let fleet = Fleet::new("runs-refused", &SHOP);
    fleet.run("api", &["infra:deploy:all", "--repos", "wev"], 5).says(&["did you mean `web`?"]);
    fleet.run("api", &["infra:deploy:all", "--repos", "api,api"], 4).says(&["named twice"]);
    fleet.run("api", &["infra:deploy:all", "--repos", "../x"], 4).says(&["next:"]);
    fleet.run("api", &["infra:deploy:status", "last"], 5).says(&["infra:deploy:all"]);
    fleet.run("api", &["infra:deploy:status", "20261129-231502-4f2a9c"], 5).says(&["no run", "next:"]);
    fleet.run("api", &["infra:deploy:cancel", "a b"], 4).says(&["not the name of a run", "next:"]);
    fleet
        .run("api", &["infra:deploy:cancel", "last"], 4)
        .says(&["may be another run", "infra:deploy:status last"]);
    for task in ["all", "agent"] {
        let task = format!("infra:deploy:{task}");
        fleet.run("api", &[task.as_str(), "--lease", "0s"], 4).says(&["shorter than a second", "--lease 5s"]);
    }
    fleet.run("api", &["infra:deploy:agent", "--checkouts", "nowhere"], 5).says(&["not there", "next:"]);
    fleet.repo("api", "[repos.api]\nafter = [\"web\"]\n[repos.web]\nafter = [\"api\"]\n");
    fleet.run("api", &["infra:deploy:all"], 4).says(&["api → web → api", "infra.toml:"]);
    fleet.repo("api", "");
    fleet.run("api", &["infra:deploy:all"], 5).says(&["--repos api,web", "[repos.NAME]"]);
    assert_eq!(fleet.log(), [""; 0], "nothing was begun");
}

#[test]
fn whatever_is_killed_every_repo_is_done_once_in_order_and_nothing_stays_claimed() {
    let repos: [(&str, &[&str]); 5] = [
        ("api", &[]),
        ("web", &["api"]),
        ("worker", &["api"]),
        ("site", &["web"]),
        ("mail", &["web", "worker"]),
    ];
    let fleet = Fleet::new("runs-killed", &repos);
    repos.iter().for_each(|(repo, _)| fleet.behaves(repo, "takes 250"));
    let killing = Killing {
        fleet: &fleet,
        repos: &repos,
        kills: 60,
        lease: "5s",
        within: Duration::from_secs(240),
        server: None,
    };
    killing.go(|run| {
        // Its own log has each repo done exactly once, and what follows a claim names that claim.
        let done = fleet.lines(&format!("runs/{run}.jsonl"));
        let done = done.iter().filter(|line| line["repo"]["state"]["state"] == "done");
        assert_eq!(done.count(), repos.len());
    });
    let ledger = fleet.lines("ledger.jsonl");
    let count = |action: &str| ledger.iter().filter(|entry| entry["action"] == action).count();
    assert!(count("deploy.all") >= count("deploy.all.start"), "every end is recorded: {ledger:?}");
    drop(fleet.run("api", &["infra:ledger:verify"], 0));
}
