//! A rule that never ends, takes all memory or breaks: it is told, in time, and all others are asked.

use std::time::{Duration, Instant};

use crate::{queues, shop, xtask};

/// What is printed when this rule stands beside one that works; how long it took.
fn beside(rule: &str) -> (String, Duration) {
    let scratch = shop("dir = \"policy\"");
    scratch.write("repo/plan.json", queues(&["a", "b"]));
    scratch.write("repo/policy/good.rego", "package good\ndeny contains \"seen\" if input.resource\n");
    scratch.write("repo/policy/bad.rego", format!("package bad\n\n{rule}\n"));
    let began = Instant::now();
    let judged = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(10);
    for address in ["a", "b"] {
        let seen = format!("aws_sqs_queue.{address}: seen  [good.deny]");
        assert!(judged.stdout.contains(&seen), "{}", judged.stdout);
    }
    let broken =
        judged.stdout.matches("the rule `bad.deny` (policy/bad.rego:3) could not be evaluated: ").count();
    assert_eq!(broken, 1, "{}", judged.stdout);
    (judged.stdout, began.elapsed())
}

/// Two seconds for the rule, and some for starting programs on a busy machine.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_rule_that_goes_over_everything_is_stopped_by_the_clock() {
    let (said, took) = beside(
        "deny contains \"x\" if { r := numbers.range(1, 20000); count([1 | some a in r; some b in r; a + b == 0]) > 0 }",
    );
    assert!(said.contains("it took longer than 2.0 s"), "{said}");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_function_of_the_language_that_takes_for_ever_is_stopped_from_outside() {
    // Writing out a number of ten million digits: the interpreter's own clock does not tick inside.
    let (said, took) =
        beside("deny contains \"x\" if { count(sprintf(\"%d\", [bits.lsh(1, 300000000)])) > 0 }");
    assert!(said.contains("it took longer than 2.0 s"), "{said}");
    assert!(took < SOON, "{took:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_text_that_doubles_until_memory_ends_is_stopped_by_the_kernel() {
    let mut rule = String::from("deny contains \"x\" if {\n    a0 := \"0123456789abcdef\"\n");
    for step in 1..40 {
        rule.push_str(&format!("    a{step} := concat(\"\", [a{0}, a{0}])\n", step - 1));
    }
    let (said, took) = beside(&format!("{rule}    count(a39) > 0\n}}"));
    assert!(said.contains("it needed more than 512 MiB of memory"), "{said}");
    assert!(took < SOON, "{took:?}");
    let (said, took) = beside("deny contains \"x\" if { count(numbers.range(1, 1000000000000)) > 0 }");
    assert!(said.contains("it needed more than 512 MiB of memory"), "{said}");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_rule_that_needs_itself_divides_by_zero_or_nests_too_deep_is_told_with_its_place() {
    for (rule, expected) in [
        ("deny contains \"x\" if { 1 / 0 == 1 }", "policy/bad.rego:3:"),
        ("deny contains \"x\" if { deny[\"y\"] }", "recursion"),
        ("deny contains \"x\" if { f(1) }\nf(x) if { f(x + 1) }", "could not be evaluated"),
        ("deny := 7", "no set of texts"),
    ] {
        let (said, _) = beside(rule);
        assert!(said.contains(expected), "{rule}\n{said}");
    }
}
