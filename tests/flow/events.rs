//! What the others learn of a deploy, and that a bus which is down fails none.

use crate::world::{World, lines};

#[test]
fn a_deploy_tells_of_its_start_its_steps_and_its_end() {
    let world = World::ready("told");
    world.deploy(&["VARIANT=one"], 0);
    let all = lines(&world.home("local/events.jsonl"));
    let told: Vec<&str> = all.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let begin = told.iter().position(|kind| *kind == "deploy.start").expect("it began");
    let (deploy, kinds) = (&all[begin..], &told[begin..]);
    assert_eq!(kinds.last(), Some(&"deploy.done"), "{kinds:?}");
    let steps: Vec<&str> = deploy.iter().filter_map(|event| event["data"]["step"].as_str()).collect();
    assert_eq!((steps.first(), steps.last()), (Some(&"preparing"), Some(&"healthy")), "{steps:?}");
    for event in deploy {
        assert_eq!((&event["source"], &event["subject"]), (&"/acme/shop-api".into(), &"local".into()));
        let data = &event["data"];
        assert!(data["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{event}");
        assert_eq!(data["actor"], "ada");
    }
    assert!(deploy[deploy.len() - 1]["data"]["release"].is_string());
    world.shop(&["infra:deploy:rollback"], 5);
    world.deploy(&["VARIANT=two"], 0);
    world.shop(&["infra:deploy:rollback"], 0);
    assert_eq!(world.events()[world.events().len() - 2..], ["deploy.start", "deploy.done"]);
}

#[test]
fn a_bus_that_is_down_is_a_warning_of_a_deploy_that_worked() {
    let world = World::ready("untold");
    world.configure("[env.local]\nnats = { url = \"nats://127.0.0.1:1\" }\n");
    let deployed = world.deploy(&["VARIANT=one"], 0);
    deployed.says(&["warning:", "could not be published", "stands in the ledger"]);
    assert_eq!(world.get("/env?VARIANT"), "one");
    assert_eq!(world.ledger().last().map(String::as_str), Some("deploy done"));
    let promised = world.shop(&["promise"], 0);
    promised.says(&["warning: an event could not be published"]);
    world.configure("[env.local]\nnats = { url = \"nats://127.0.0.1:1\" }\n[deploy]\nwait = \"2s\"\n");
    let failed = world.deploy(&["BROKEN=exit"], 1);
    failed.says(&["warning:", "could not be published"]);
    assert_eq!(world.get("/env?VARIANT"), "one");
    // Who only tells something has failed.
    let told = world.command("shop-api", &["infra:nats:publish", "shop.opened"]).finish();
    assert!([8, 9].contains(&told.code), "{}", told.stderr);
}
