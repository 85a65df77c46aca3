//! An organisation's policies, pinned by tag: a repo adds to them and takes nothing away.

use support::{Run, Scratch};

use crate::{queues, xtask};

const ORG: &str = r#"[policy]
files = ["policy/queues.rego"]
required-tags = ["team"]
[policy.level]
public = "error"
"#;

const RULE: &str = "package acme.queues\n\nallowed contains \"a\"\n\n\
    deny contains \"not one of ours\" if {\n    name := input.resource.after.name\n    not name in allowed\n}\n";

/// A service's repo that extends an organisation's one; `infra` follows in its `infra.toml`.
fn extended(infra: &str) -> Scratch {
    let scratch = Scratch::new("policy-org");
    scratch.write("org/org.toml", ORG);
    scratch.write("org/policy/queues.rego", RULE);
    let who = ["-c", "user.name=org", "-c", "user.email=org@example.com", "-c", "tag.gpgSign=false"];
    for args in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["commit", "--quiet", "--no-gpg-sign", "-m", "rules"],
        &["tag", "-a", "-m", "rules", "v1.0.0"],
    ] {
        let _ = Run::new("git", &scratch.join("org")).args(who).args(args).finish().expect(0);
    }
    let org = scratch.join("org").display().to_string();
    let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";
    let extends = format!("extends = {{ git = \"file://{org}\", tag = \"v1.0.0\", path = \"org.toml\" }}\n");
    scratch.write("repo/infra.toml", format!("{extends}{project}{infra}"));
    scratch.write("repo/plan.json", queues(&["a", "b"]));
    scratch
}

#[test]
fn the_organisations_policies_are_read_at_the_pinned_commit_and_no_file_of_the_repo_changes_them() {
    let scratch = extended("[policy]\ndir = \"policy\"\nfiles = []\n");
    // The same package, with more in the set that the organisation's rule looks at.
    scratch.write(
        "repo/policy/mine.rego",
        "package acme.queues\n\nallowed contains \"b\"\n\nwarn contains \"mine\" if input.resource\n",
    );
    let judged = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(10);
    assert!(
        judged.stdout.contains("aws_sqs_queue.b: not one of ours  [acme.queues.deny]"),
        "{}",
        judged.stdout
    );
    assert!(!judged.stdout.contains("aws_sqs_queue.a: not one of ours"), "{}", judged.stdout);
    assert_eq!(judged.stdout.matches(": mine  [acme.queues.warn]").count(), 2, "{}", judged.stdout);
    // What the organisation commits later counts once it is pinned, not before.
    scratch.write("org/policy/queues.rego", "package acme.queues\ndeny contains \"later\" if true\n");
    let again = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(10);
    assert!(!again.stdout.contains("later"), "{}", again.stdout);
}

#[test]
fn a_repo_cannot_make_a_rule_milder_than_its_organisation_and_hears_where_it_tried() {
    for (infra, refused) in [
        ("[policy.level]\npublic = \"off\"\n", "`policy.level.public`"),
        ("[policy.level]\nownership = \"warning\"\n", "`policy.level.ownership`"),
        ("[policy.level]\nadmin = \"note\"\n", "`policy.level.admin`"),
    ] {
        let told = xtask(&extended(infra), &["infra:policy:check", "plan.json"]).expect(4);
        assert!(told.stderr.contains(refused) && told.stderr.contains("infra.toml:"), "{}", told.stderr);
    }
    let stricter = extended("[policy.level]\nadmin = \"error\"\n[policy]\nrequired-tags = [\"service\"]\n");
    let shown = xtask(&stricter, &["infra:config:show"]).expect(0);
    assert!(shown.stdout.contains("[\"team\", \"service\"]"), "{}", shown.stdout);
}

#[test]
fn what_the_organisations_rules_find_stays_as_bad_as_they_say_whatever_the_repo_sets() {
    for level in ["off", "note", "warning"] {
        let infra =
            format!("[policy]\ndir = \"policy\"\n[policy.level]\n\"acme.queues.deny\" = \"{level}\"\n");
        let scratch = extended(&infra);
        // A rule of the repo's own with the same name is the repo's to set.
        scratch.write(
            "repo/policy/mine.rego",
            "package acme.queues\n\ndeny contains \"mine\" if input.resource\n",
        );
        let judged = xtask(&scratch, &["infra:policy:check", "plan.json"]).expect(10);
        let theirs = "error   aws_sqs_queue.b: not one of ours  [acme.queues.deny]";
        assert!(judged.stdout.contains(theirs), "{level}: {}", judged.stdout);
        assert!(!judged.stdout.contains("error   aws_sqs_queue.b: mine"), "{level}: {}", judged.stdout);
    }
}
