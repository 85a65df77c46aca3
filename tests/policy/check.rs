//! What judging a plan says, and with what code it ends.

use crate::{fixture, queues, shop, xtask};

#[test]
fn built_in_rules_judge_without_any_policy_and_a_refused_plan_has_a_code_of_its_own() {
    let scratch = shop("required-tags = [\"team\"]\nprotected = [\"aws_instance\"]");
    let refused = xtask(&scratch, &["infra:policy:check", &fixture("pub-j2md-aws-sample.json")]).expect(10);
    for expected in [
        "error   aws_instance.test: it is protected and would be destroyed  [protected]",
        "aws_subnet.public-a: aws_subnet belongs to the infrastructure repo  [ownership]",
        "the tag `team` is missing  [required-tags]",
    ] {
        assert!(refused.stdout.contains(expected), "{expected}\n{}", refused.stdout);
    }
    assert!(refused.stderr.contains("a plan is refused"), "{}", refused.stderr);
    let fine =
        xtask(&shop(""), &["infra:policy:check", &fixture("tf1114-g22_mid_update_500.json")]).expect(0);
    assert!(fine.stdout.contains("no findings"), "{}", fine.stdout);
    assert_eq!(xtask(&scratch, &["infra:policy:check", "nowhere.json"]).expect(5).stdout, "");
}

#[test]
fn each_policy_is_asked_about_each_changed_resource_and_once_about_the_plan() {
    let scratch = shop("dir = \"policy\"");
    scratch.write("repo/plan.json", queues(&["a", "b"]));
    scratch.write(
        "repo/policy/queues.rego",
        r#"package acme.queues

deny contains {"msg": msg, "hint": "call it so"} if {
    input.resource.type == "aws_sqs_queue"
    not startswith(input.resource.after.name, "acme-")
    msg := sprintf("%s of %s/%s has key %s", [input.resource.after.name, input.repo.org, input.repo.name, input.resource.after.key])
}

warn contains "many at once" if count(input.plan.changes) > 1
"#,
    );
    let judged = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(10);
    let expected = "error   aws_sqs_queue.a: a of acme/shop has key (sensitive)  [acme.queues.deny]\n        next: call it so\n\
                    error   aws_sqs_queue.b: b of acme/shop has key (sensitive)  [acme.queues.deny]\n        next: call it so\n\
                    warning the plan: many at once  [acme.queues.warn]";
    assert!(judged.stdout.contains(expected), "{}", judged.stdout);
    assert!(!judged.stdout.contains("hunter2") && !judged.stderr.contains("hunter2"));
    // A level of one's own makes it milder, and the plan passes.
    let text = std::fs::read_to_string(scratch.join("repo/infra.toml")).expect("it is there");
    scratch.write("repo/infra.toml", format!("{text}[policy.level]\n\"acme.queues.deny\" = \"note\"\n"));
    let judged = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(0);
    assert!(judged.stdout.contains("note    aws_sqs_queue.a"), "{}", judged.stdout);
}

#[test]
fn policies_that_cannot_be_asked_are_never_green() {
    let plan = queues(&["a"]);
    for (policy, text, code, expected) in [
        ("dir = \"policy\"", None, 5, "the folder of policies is not there"),
        ("dir = \"policy\"", Some(("README.md", "x")), 5, "has no Rego file"),
        ("dir = \"policy\"", Some(("a.rego", "package a\nallow if true\n")), 5, "no rule that could refuse"),
        (
            "dir = \"policy\"",
            Some(("a_test.rego", "package a\ntest_x if true\n")),
            5,
            "no rule that could refuse",
        ),
        (
            "dir = \"policy\"",
            Some(("a.rego", "package a\n\ndeny contains msg if {\n")),
            4,
            "policy/a.rego:4:",
        ),
        ("files = [\"policy/a.rego\"]", None, 5, "extends nothing"),
    ] {
        let scratch = shop(policy);
        scratch.write("repo/plan.json", &plan);
        if let Some((name, text)) = text {
            scratch.write(&format!("repo/policy/{name}"), text);
        }
        let refused = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(code);
        assert!(refused.stderr.contains(expected), "{expected}\n{}", refused.stderr);
    }
}
