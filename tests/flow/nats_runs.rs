//! One deploy over many repos with a NATS server between real processes, and the server dies like everybody else.

use std::time::Duration;

use serde_json::json;
use support::NatsServer;

use crate::fleet::{Fleet, Process};
use crate::killing::Killing;
use crate::world::until;

/// api, then web and worker, then mail.
const SHOP: [(&str, &[&str]); 4] =
    [("api", &[]), ("web", &["api"]), ("worker", &["api"]), ("mail", &["web", "worker"])];

/// The repos, with NATS at that address.
fn fleet(name: &str, server: &NatsServer) -> Fleet {
    let fleet = Fleet::new(name, &SHOP);
    let declared: String = SHOP
        .iter()
        .map(|(repo, after)| {
            let after: Vec<String> = after.iter().map(|name| format!("\"{name}\"")).collect();
            format!("[repos.{repo}]\nafter = [{}]\n", after.join(", "))
        })
        .collect();
    for (repo, _) in SHOP {
        fleet.repo(repo, &format!("[env.local]\nnats = {{ url = \"{}\" }}\n{declared}", server.url()));
    }
    fleet
}

#[test]
fn repos_that_meet_in_nats_are_deployed_once_and_in_order() {
    let server = NatsServer::start();
    let fleet = fleet("nats-runs", &server);
    // Before anything was made there, the way out is named.
    fleet.run("api", &["infra:deploy:all"], 8).says(&["NATS lacks", "infra:nats:bootstrap"]);
    drop(fleet.run("api", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    let agents: Vec<Process> =
        SHOP.iter().map(|(repo, _)| fleet.start(repo, &["infra:deploy:agent"])).collect();
    agents.iter().for_each(|agent| agent.says("serving"));
    let done = fleet.run("web", &["infra:deploy:all"], 0);
    assert!(done.stdout.contains("is done: 4 done"), "{}", done.stdout);
    assert_eq!(fleet.log().len(), 8, "{:?}", fleet.log());
    fleet.check_log(&fleet.log(), &SHOP);
    assert_eq!(fleet.status("last")["outcome"], json!("done"));
    // Nothing of it lies on this machine.
    assert!(!fleet.scratch.join("home/acme/runs/index.json").exists());
    let busy = fleet.all(&[]);
    let run = busy.run();
    assert_eq!(busy.end().0, Some(0));
    assert!(fleet.states(&run).iter().all(|repo| repo.ends_with(" done")));
    for agent in agents {
        agent.signal("TERM");
        assert_eq!(agent.end().0, Some(130));
    }
}

#[test]
fn what_ended_while_the_server_was_away_for_longer_than_a_lease_is_not_begun_again() {
    let mut server = NatsServer::start();
    let fleet = fleet("nats-runs-away", &server);
    drop(fleet.run("api", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    fleet.behaves("api", "takes 500");
    let agent = fleet.agent(&[]);
    agent.says("serving");
    let all = fleet.all(&["--repos", "api"]);
    until("the deploy begins", || !fleet.log().is_empty());
    server.kill();
    until("it ends", || fleet.log().len() == 2);
    // Longer than the leases of the agent and of the command, which are five seconds.
    std::thread::sleep(Duration::from_secs(7));
    server.restart();
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fleet.log(), ["api start 1", "api end 1"]);
    drop(agent);
}

#[test]
fn a_queue_that_is_deleted_meanwhile_is_told_and_made_again() {
    let server = NatsServer::start();
    let fleet = fleet("nats-runs-queue", &server);
    drop(fleet.run("api", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    fleet.behaves("api", "waits");
    let agent = fleet.agent(&[]);
    agent.says("serving");
    let all = fleet.all(&[]);
    until("the deploy begins", || !fleet.log().is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("the server is there");
        let jetstream = async_nats::jetstream::new(client);
        let deleted = jetstream.delete_stream("INFRA_WORK").await.expect("an answer");
        assert!(deleted.success);
    });
    fleet.behaves("api", "");
    all.says("NATS lacks");
    drop(fleet.run("web", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    let (code, said) = all.end();
    assert_eq!(code, Some(0), "{said}");
    fleet.check_log(&fleet.log(), &SHOP);
    assert_eq!(fleet.log().len(), 8, "{:?}", fleet.log());
}

#[test]
fn what_somebody_writes_over_a_repo_of_a_run_costs_that_repo_and_locks_none() {
    let server = NatsServer::start();
    let fleet = fleet("nats-runs-foreign", &server);
    drop(fleet.run("api", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    let agent = fleet.agent(&[]);
    agent.says("serving");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bucket = runtime.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("the server is there");
        async_nats::jetstream::new(client).get_key_value("infra-runs").await.expect("the bucket")
    });
    let during_the_deploy_of_api = |write: &dyn Fn(&str)| {
        let before = fleet.log().len();
        fleet.behaves("api", "waits");
        let all = fleet.all(&[]);
        until("the deploy begins", || fleet.log().len() > before);
        write(&format!("acme.run.{}.repo.web", all.run()));
        fleet.behaves("api", "");
        all
    };
    // What is of no version at all.
    let all = during_the_deploy_of_api(&|key| {
        runtime.block_on(bucket.put(key, "junk".into())).expect("written");
    });
    let run = all.run();
    let (code, said) = all.end();
    assert!(code == Some(1) && said.contains("somebody wrote over it"), "{said}");
    assert_eq!(fleet.states(&run), ["api done", "web failed", "worker done", "mail skipped"]);

    // What may be of a later version stops the run; given up as the hint says, the run goes on to its end.
    let written = std::cell::RefCell::new(String::new());
    let all = during_the_deploy_of_api(&|key| {
        runtime.block_on(bucket.put(key, "{\"state\":\"of later\"}".into())).expect("written");
        *written.borrow_mut() = key.to_owned();
    });
    let (code, said) = all.end();
    let key = written.into_inner();
    let hint = format!("nats kv put infra-runs {key} failed");
    assert!(code == Some(4) && said.contains("another version") && said.contains(&hint), "{said}");
    runtime.block_on(bucket.put(&key, "failed".into())).expect("written");
    drop(fleet.run("web", &["infra:deploy:resume", "last"], 1));
    drop(fleet.run("web", &["infra:deploy:all"], 0));
}

#[test]
fn a_store_that_is_full_in_the_middle_of_a_run_is_told_with_its_reason_and_goes_on_once_there_is_room() {
    let server = NatsServer::start_with("jetstream { store_dir: \"{store}\", max_file_store: 2MB }");
    let fleet = fleet("nats-runs-full", &server);
    drop(fleet.run("api", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    let agent = fleet.agent(&[]);
    agent.says("serving");
    fleet.behaves("api", "waits");
    let all = fleet.all(&[]);
    until("the deploy begins", || !fleet.log().is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let jetstream = runtime.block_on(async {
        async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("the server is there"))
    });
    let fill = |size: usize| {
        runtime.block_on(async {
            let sent = jetstream.publish("infra.v1.evt.acme.x.filler", vec![0; size].into()).await;
            sent.expect("it is sent").await.is_ok()
        })
    };
    for size in [100_000, 1_000, 10] {
        let pieces = (0..20_000).take_while(|_| fill(size)).count();
        assert!(pieces < 20_000, "the store has no end");
    }
    let cancel = fleet.start("api", &["infra:deploy:cancel", &all.run()]);
    let why = "server's storage is reached: raise it";
    for waiting in [&cancel, &agent, &all] {
        waiting.says(why);
    }
    runtime.block_on(async {
        let events = jetstream.get_stream("INFRA_EVENTS").await.expect("it was made");
        events.purge().await.expect("it is emptied");
    });
    let (code, said) = all.end();
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(cancel.end().0, Some(0));
    assert_eq!(fleet.log(), ["api start 1", "api stopped 1"]);
}

#[test]
fn whatever_is_killed_also_the_server_every_repo_is_done_once_in_order() {
    let mut server = NatsServer::start();
    let fleet = fleet("nats-runs-killed", &server);
    drop(fleet.run("api", &["infra:nats:bootstrap", "--yes=infra:nats:bootstrap"], 0));
    SHOP.iter().for_each(|(repo, _)| fleet.behaves(repo, "takes 250"));
    let mut restart = || server.restart();
    let killing = Killing {
        fleet: &fleet,
        repos: &SHOP,
        kills: 40,
        lease: "2s",
        within: Duration::from_secs(120),
        server: Some(&mut restart),
    };
    killing.go(|run| {
        assert_eq!(fleet.status(run)["outcome"], json!("done"));
    });
}
