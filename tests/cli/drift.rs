//! Drift: what was changed outside is told, answered for a time, and asked again after it.

use support::{Finished, Scratch};

use crate::{INFRA_TOML, shop, xtask};

const PLAN: &str = r#"{"format_version":"1.2","resource_changes":[],"resource_drift":[
    {"address":"aws_instance.web","mode":"managed","type":"aws_instance","name":"web","change":{"actions":["update"],
     "before":{"ami":"ami-1","tags":{"Patched":"monday"},"password":"canary-old"},
     "after":{"ami":"ami-1","tags":{"Patched":"friday"},"password":"canary-new"},
     "before_sensitive":{"password":true},"after_sensitive":{"password":true}}}]}"#;

fn repo() -> Scratch {
    let scratch = shop(INFRA_TOML);
    scratch.write("repo/plan.json", PLAN);
    scratch
}

fn drift(scratch: &Scratch, args: &[&str]) -> Finished {
    xtask(scratch, args).finish()
}

#[test]
fn drift_fails_a_scheduled_run_until_each_has_an_answer() {
    let scratch = repo();
    let open = drift(&scratch, &["infra:drift", "plan.json"]).expect(2);
    assert!(open.stdout.contains("1 resource differs; 2 to decide"), "{}", open.stdout);
    assert!(
        open.stdout.contains("~ aws_instance.tags.Patched: aws_instance.web, monday → friday"),
        "{}",
        open.stdout
    );
    open.says(&["2 kinds of drift without an answer", "infra:drift:answer"]);
    let answer = |what: &str, decision: &str| {
        let args =
            ["infra:drift:answer", what, decision, "--until", "2999-12-31", "--reason", "the patch manager"];
        drift(&scratch, &args).expect(0)
    };
    drop(answer("aws_instance.tags.*", "ignore"));
    drift(&scratch, &["infra:drift", "plan.json"]).expect(2).says(&["1 kind of drift"]);
    drop(answer("aws_instance.web.password", "revert"));
    let closed = drift(&scratch, &["infra:drift", "plan.json"]).expect(0);
    assert!(
        closed.stdout.contains("nothing is open") && closed.stdout.contains("the patch manager"),
        "{}",
        closed.stdout
    );
    let file = std::fs::read_to_string(scratch.join("repo/infra/drift.toml")).expect("it was written");
    assert_eq!(file.matches("[[answer]]").count(), 2, "{file}");
}

#[test]
fn an_answer_that_cannot_hold_and_a_file_that_cannot_be_read_are_refused_and_nothing_is_lost() {
    let scratch = repo();
    let answer = |until: &str| {
        let args = ["infra:drift:answer", "a.b", "ignore", "--until", until, "--reason", "r"];
        drift(&scratch, &args)
    };
    answer("2020-01-01").expect(4).says(&["2020-01-01 is over", "next:"]);
    answer("soon").expect(4).says(&["`soon` is not a day", "next:"]);
    assert!(!scratch.join("repo/infra/drift.toml").exists());
    let broken = "[[answer]]\nwhat = \"a\"\ndecison = \"ignore\"\n";
    scratch.write("repo/infra/drift.toml", broken);
    answer("2999-01-01").expect(4).says(&["infra/drift.toml:3:1", "did you mean `decision`?"]);
    drift(&scratch, &["infra:drift", "plan.json"]).expect(4).says(&["infra/drift.toml:3:1"]);
    let kept = std::fs::read_to_string(scratch.join("repo/infra/drift.toml")).expect("it is there");
    assert_eq!(kept, broken);
}

#[test]
fn an_index_of_readers_is_made_of_parts_and_names_who_is_touched() {
    let scratch = shop(&format!("{INFRA_TOML}[refs]\nnetwork = \"/infrastructure/network\"\n"));
    let part = drift(&scratch, &["infra:refs:readers", "--out", "part.toml"]).expect(0);
    assert!(part.stdout.contains("1 reference of 1 repo"), "{}", part.stdout);
    drop(drift(&scratch, &["infra:refs:readers", "part.toml", "--out", "all.toml"]).expect(0));
    let index = std::fs::read_to_string(scratch.join("repo/all.toml")).expect("it was written");
    assert_eq!(
        index.matches("/infrastructure/network").count(),
        1,
        "the same part twice counts once: {index}"
    );
    drift(&scratch, &["infra:refs:readers", "nowhere.toml"]).expect(5).says(&["nowhere.toml", "next:"]);
    scratch.write("repo/broken.toml", "version = 1\ndate = \"yesterday\"\n");
    drift(&scratch, &["infra:refs:readers", "broken.toml"]).expect(4).says(&["broken.toml:2:"]);
}
