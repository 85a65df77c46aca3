//! Back to a release that the target has forgotten, by what the ledger knows of it.

use std::sync::Arc;

use infra_sdk::local::{LocalDeploy, LocalRegistry};
use infra_sdk::{Env, deploy};

use crate::world::World;

#[test]
fn a_release_that_is_not_kept_any_more_is_made_again_from_the_ledger() {
    let world = World::ready("way-back");
    world.configure("[deploy]\nkeep = 1\n");
    let release = || world.json(&["infra:deploy:status"])["current"]["id"].as_str().unwrap().to_owned();
    world.deploy(&["NAME=first"], 0);
    let first = release();
    for name in ["NAME=second", "NAME=third"] {
        world.deploy(&[name], 0);
    }
    let listed = world.json(&["infra:deploy:history"]);
    assert!(!listed.to_string().contains(&first), "{listed}");

    let back = world.shop(&["infra:deploy:rollback", &first], 0);
    back.says(&[
        &format!("{first} is not kept any more: making it again from shop-api/app@"),
        "settings and secrets of today",
    ]);
    assert!(back.stdout.contains("shop-api is back at"), "{}", back.stdout);
    // Variables of the task that deployed it are not in the ledger, references and secrets are read again.
    assert_eq!(world.get("/env?NAME"), "");
    assert_eq!(world.get("/env?NETWORK_VPC_NAME"), "vpc-main");
    assert_ne!(release(), first);

    // One digit off.
    let near = format!("{}{}", &first[..first.len() - 1], if first.ends_with('0') { '1' } else { '0' });
    world
        .shop(&["infra:deploy:rollback", &near], 5)
        .says(&["not kept, and not in the ledger", "did you mean"]);
}

#[test]
fn a_release_that_failed_is_warned_about_and_one_whose_image_is_gone_is_refused() {
    let world = World::ready("way-back-failed");
    world.deploy(&["NAME=first"], 0);
    let first = world.json(&["infra:deploy:status"])["current"]["id"].as_str().unwrap().to_owned();
    let failed = world.deploy(&["BROKEN=exit"], 1);
    let id = failed.stderr.split("--release ").nth(1).and_then(|rest| rest.split(['`', ' ']).next()).unwrap();
    world.shop(&["infra:deploy:rollback", id], 1).says(&["never became healthy", "serving again"]);

    world.configure("[deploy]\nkeep = 1\n");
    for name in ["NAME=second", "NAME=third"] {
        world.deploy(&[name], 0);
    }
    std::fs::remove_dir_all(world.home("registry")).expect("it is ours");
    world.shop(&["infra:deploy:rollback", &first], 5).says(&[
        "the image of the release",
        "is gone",
        "next: check out",
    ]);
}

#[test]
fn a_stop_that_a_killed_run_could_not_note_is_noted_by_the_next() {
    let world = World::ready("way-back-stopped");
    world.deploy(&["NAME=first"], 0);
    let images = Arc::new(LocalRegistry::new(world.home("registry")));
    let target =
        LocalDeploy::new(world.home("local/deploy/shop-api"), images, &Env::of([("USER", "ada")], "/"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(deploy::stop(&target, "ada")).expect("it stops").expect("it ran");
    assert_eq!(world.ledger().last().map(String::as_str), Some("deploy done"), "nobody noted it");
    for _ in 0..2 {
        world.shop(&["infra:deploy:stop"], 0);
        assert_eq!(world.ledger()[world.ledger().len() - 2..], ["deploy done", "stop done"], "once");
    }
}
