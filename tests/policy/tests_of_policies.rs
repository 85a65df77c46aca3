//! Policies have tests of their own, in Rego and as cases.

use crate::{queues, shop, xtask};

const POLICY: &str = "package acme.queues\n\ndeny contains \"no\" if input.resource.after.name == \"bad\"\n";

#[test]
fn tests_in_rego_and_cases_pass_and_fail_with_what_is_different() {
    let scratch = shop("dir = \"policy\"");
    scratch.write("repo/policy/queues.rego", POLICY);
    let nothing = xtask(&scratch, &["infra:policy:test"]).expect(5);
    assert!(nothing.stderr.contains("there is no test of the policies"), "{}", nothing.stderr);

    scratch.write(
        "repo/policy/queues_test.rego",
        "package acme.queues_test\n\nimport data.acme.queues\n\n\
         test_bad if queues.deny[\"no\"] with input as {\"resource\": {\"after\": {\"name\": \"bad\"}}}\n\n\
         test_good if count(queues.deny) == 0 with input as {\"resource\": {\"after\": {\"name\": \"good\"}}}\n",
    );
    scratch.write("repo/policy/cases/refused/plan.json", queues(&["good", "bad"]));
    let expected = scratch.write(
        "repo/policy/cases/refused/expected.toml",
        "[[finding]]\nrule = \"acme.queues.deny\"\naddress = \"aws_sqs_queue.bad\"\nlevel = \"error\"\n",
    );
    let passed = xtask(&scratch, &["infra:policy:test"]).expect(0);
    assert!(passed.stdout.contains("3 passed, 0 failed"), "{}", passed.stdout);
    assert!(
        passed.stdout.contains("ok   acme.queues_test.test_bad (policy/queues_test.rego:5)"),
        "{}",
        passed.stdout
    );

    std::fs::write(expected, "").expect("it is writable");
    scratch.write(
        "repo/policy/more_test.rego",
        "package more_test\ntest_wrong if 1 == 2\ntest_broken if 1 / 0 == 1\n",
    );
    let failed = xtask(&scratch, &["infra:policy:test"]).expect(1);
    for expected in [
        "FAIL refused\n     not expected: acme.queues.deny about aws_sqs_queue.bad: no (error)",
        "FAIL more_test.test_wrong (policy/more_test.rego:2)\n     it is not true",
        "FAIL more_test.test_broken (policy/more_test.rego:3)\n     policy/more_test.rego:3:",
        "2 passed, 3 failed",
    ] {
        assert!(failed.stdout.contains(expected), "{expected}\n{}", failed.stdout);
    }
}

#[test]
fn a_case_without_its_files_is_an_error_that_names_it() {
    let scratch = shop("dir = \"policy\"");
    scratch.write("repo/policy/queues.rego", POLICY);
    scratch.write("repo/policy/cases/half/plan.json", queues(&["a"]));
    let refused = xtask(&scratch, &["infra:policy:test"]).expect(5);
    assert!(
        refused.stderr.contains("expected.toml") && refused.stderr.contains("half"),
        "{}",
        refused.stderr
    );
}
