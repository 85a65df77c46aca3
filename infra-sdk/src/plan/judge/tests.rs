//! The built-in rules on plans of others and on small ones of our own.

use crate::config::RuleLevel;
use crate::plan::judge::{Findings, Level, Rules, check};
use crate::plan::{Plan, PlanJson};

fn fixture(name: &str) -> PlanJson {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/plans/");
    PlanJson::read(format!("{folder}{name}")).expect("the fixture is there")
}

/// The findings for a plan with one resource, as lines.
fn judged(kind: &str, actions: &str, change: &str, rules: &Rules) -> Vec<String> {
    lines(&findings(kind, actions, change, rules))
}

fn findings(kind: &str, actions: &str, change: &str, rules: &Rules) -> Findings {
    let json = format!(
        r#"{{"format_version": "1.2", "resource_changes": [{{"address": "{kind}.x", "mode": "managed",
            "type": "{kind}", "name": "x", "change": {{"actions": {actions}{change}}}}}]}}"#
    );
    check(&Plan::parse(json.as_bytes()).unwrap(), rules).unwrap()
}

fn lines(findings: &Findings) -> Vec<String> {
    findings
        .findings
        .iter()
        .map(|finding| format!("{} {}: {}", finding.level, finding.rule, finding.message))
        .collect()
}

/// What a resource that is created with these values is told.
fn created(kind: &str, after: &str) -> Vec<String> {
    judged(kind, r#"["create"]"#, &format!(r#", "before": null, "after": {after}"#), &Rules::default())
}

#[test]
fn a_repo_that_does_not_own_a_type_may_do_nothing_to_it() {
    let rules = Rules { owned: vec!["aws_vpc".into(), "aws_kms_*".into()], ..Rules::default() };
    for (actions, more) in [
        (r#"["create"]"#, ""),
        (r#"["update"]"#, ""),
        (r#"["delete"]"#, ""),
        (r#"["forget"]"#, ""),
        (r#"["no-op"]"#, r#", "importing": {"id": "vpc-1"}"#),
    ] {
        assert_eq!(judged("aws_vpc", actions, more, &rules).len(), 1, "{actions}");
    }
    assert_eq!(
        judged("aws_kms_key", r#"["create"]"#, "", &rules),
        ["error ownership: aws_kms_key belongs to the infrastructure repo"]
    );
    assert!(judged("aws_vpc", r#"["no-op"]"#, "", &rules).is_empty());
    assert!(judged("aws_vpc_peering_connection", r#"["create"]"#, "", &rules).is_empty());
    // A data source of the same type is how it is meant to be used.
    let read = br#"{"format_version": "1.2", "resource_changes": [
        {"address": "data.aws_vpc.x", "mode": "data", "type": "aws_vpc", "name": "x", "change": {"actions": ["read"]}},
        {"address": "aws_vpc.y", "previous_address": "aws_vpc.x", "mode": "managed", "type": "aws_vpc", "name": "y",
         "change": {"actions": ["no-op"]}}]}"#;
    let found = check(&Plan::parse(read).unwrap(), &rules).unwrap();
    let addresses: Vec<_> = found.findings.iter().filter_map(|finding| finding.address.as_deref()).collect();
    assert_eq!(addresses, ["aws_vpc.y"]);
}

#[test]
fn what_is_protected_is_not_destroyed_replaced_or_lost_by_a_move() {
    let rules = Rules { protected: vec!["terraform_data".into()], ..Rules::default() };
    let json = fixture("tf1114-g07_replace_move_import_forget.json");
    let plan = json.plan().unwrap();
    let found = check(&plan, &rules).unwrap();
    let destroyed = plan.news().filter(|resource| resource.change.actions.deletes()).count();
    assert!(destroyed > 5);
    assert_eq!((found.count(Level::Error), found.count(Level::Warning)), (destroyed, 1), "{found}");

    let moved = |actions: &str, protected: &str| {
        let json = format!(
            r#"{{"format_version": "1.2", "resource_changes": [{{"address": "aws_db_instance.b", "previous_address": "aws_db_instance.a[0]",
                "type": "aws_db_instance", "name": "b", "change": {{"actions": {actions}}}}}]}}"#
        );
        let rules = Rules { protected: vec![protected.into()], ..Rules::default() };
        lines(&check(&Plan::parse(json.as_bytes()).unwrap(), &rules).unwrap())
    };
    assert!(moved(r#"["delete", "create"]"#, "aws_db_instance.a")[0].starts_with("error protected: "));
    assert!(
        moved(r#"["no-op"]"#, "aws_db_instance.a")[0]
            .starts_with("warning protected: it is protected by an address")
    );
    assert!(moved(r#"["no-op"]"#, "aws_db_*").is_empty());
    assert!(moved(r#"["delete", "create"]"#, "aws_s3_bucket").is_empty());
    let replaced = br#"{"format_version": "1.2", "resource_changes": [{"address": "aws_db_instance.renamed",
        "previous_address": "module.a[\"k\"].aws_db_instance.main", "type": "aws_db_instance", "name": "renamed",
        "change": {"actions": ["delete", "create"]}}]}"#;
    for protected in ["aws_db_instance.main", "module.a.aws_db_instance.main"] {
        let rules = Rules { protected: vec![protected.into()], ..Rules::default() };
        let found = check(&Plan::parse(replaced).unwrap(), &rules).unwrap();
        assert_eq!(found.count(Level::Error), 1, "{protected}: {found}");
    }
    assert_eq!(
        judged("terraform_data", r#"["create", "forget"]"#, "", &rules),
        ["error protected: it is protected and would be replaced, and what is there no longer managed"]
    );
    assert!(judged("terraform_data", r#"["forget"]"#, "", &rules)[0].starts_with("warning protected: "));
    // Whatever is not known yet and deletes, deletes.
    assert_eq!(judged("terraform_data", r#"["delete", "polish"]"#, "", &rules).len(), 1);
}

#[test]
fn a_missing_tag_is_found_where_tags_are_known() {
    let rules = Rules { required_tags: vec!["team".into(), "service".into()], ..Rules::default() };
    let told = |change: &str| judged("aws_sqs_queue", r#"["create"]"#, change, &rules);
    let missing = told(r#", "after": {"tags": {"team": "a"}, "tags_all": {"team": "a", "cost": "b"}}"#);
    assert_eq!(missing, ["error required-tags: the tag `service` is missing"]);
    // Nothing set: the provider leaves `tags_all` for after the apply.
    let none = told(r#", "after": {"tags": null}, "after_unknown": {"tags_all": true}"#);
    assert_eq!(none, ["error required-tags: the tags `team`, `service` are missing"]);
    assert_eq!(told(r#", "after": {"tags_all": {"team": "a", "service": ""}}"#).len(), 1);
    for fine in [
        r#", "after": {"tags_all": {"team": "a", "service": "b"}}"#,
        r#", "after": {"tags_all": {"team": "a"}}, "after_unknown": {"tags_all": {"service": true}}"#,
        r#", "after": {"tags": {"team": "a"}}, "after_unknown": {"tags": {"service": true}, "tags_all": true}"#,
        r#", "after": {}, "after_unknown": {"tags": true, "tags_all": true}"#,
        r#", "after": {"name": "no tags at all"}"#,
        r#", "after": {"tags": ["a", "list"]}"#,
    ] {
        assert!(told(fine).is_empty(), "{fine}");
    }
    assert!(judged("github_repository", r#"["create"]"#, r#", "after": {"tags": {}}"#, &rules).is_empty());
    assert!(judged("aws_sqs_queue", r#"["delete"]"#, r#", "before": {"tags": {}}"#, &rules).is_empty());

    let json = fixture("pub-j2md-aws-sample.json");
    let found = check(&json.plan().unwrap(), &rules).unwrap();
    let addresses: Vec<_> = found
        .findings
        .iter()
        .filter(|finding| finding.rule == "required-tags")
        .filter_map(|finding| finding.address.as_deref())
        .collect();
    assert_eq!(
        addresses,
        ["aws_route_table.public-route", "aws_security_group.admin", "aws_subnet.public-a"]
    );
}

#[test]
fn the_world_finds_only_the_web_open() {
    let group = |rule: &str| created("aws_security_group", &format!(r#"{{"ingress": [{rule}]}}"#));
    let rule = |ports: &str, range: &str| {
        group(&format!(
            r#"{{{ports}, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/8", "{range}"], "ipv6_cidr_blocks": []}}"#
        ))
    };
    assert_eq!(
        rule(r#""from_port": 22, "to_port": 22"#, "0.0.0.0/0"),
        ["error public: open to 0.0.0.0/0: port 22"]
    );
    assert_eq!(rule(r#""from_port": 443, "to_port": 8443"#, "0.0.0.0/0").len(), 1);
    assert!(rule(r#""from_port": 443, "to_port": 443"#, "0.0.0.0/0").is_empty());
    assert!(rule(r#""from_port": 22, "to_port": 22"#, "192.168.0.0/16").is_empty());
    assert_eq!(
        group(r#"{"from_port": 0, "to_port": 0, "protocol": "-1", "ipv6_cidr_blocks": ["::/0"]}"#),
        ["error public: open to ::/0: every port"]
    );
    let old = r#"{"type": "ingress", "from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["0.0.0.0/0"]}"#;
    assert_eq!(created("aws_security_group_rule", old).len(), 1);
    assert!(created("aws_security_group_rule", &old.replace("ingress", "egress")).is_empty());
    let new = r#"{"ip_protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_ipv4": "0.0.0.0/0"}"#;
    assert_eq!(created("aws_vpc_security_group_ingress_rule", new).len(), 1);
    // The range is known after the apply.
    assert!(
        created(
            "aws_vpc_security_group_ingress_rule",
            r#"{"ip_protocol": "tcp", "from_port": 22, "to_port": 22}"#
        )
        .is_empty()
    );
}

#[test]
fn what_opens_to_everybody_is_found_and_its_closed_form_is_not() {
    let policy = |statement: &str| {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
        format!(
            r#"{{"policy": {}, "access_policies": {0}, "assume_role_policy": {0}}}"#,
            serde_json::Value::from(text)
        )
    };
    let open = policy(
        r#"[{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "s3:GetObject", "Resource": "*"}]"#,
    );
    for kind in [
        "aws_s3_bucket_policy",
        "aws_ecr_repository_policy",
        "aws_iam_role",
        "aws_sqs_queue",
        "aws_opensearch_domain",
    ] {
        assert_eq!(created(kind, &open).len(), 1, "{kind}");
    }
    assert!(created("aws_ssm_document", &open).is_empty());
    for (statement, count) in [
        (
            r#"{"Effect": "Allow", "Principal": "*", "Action": "x:y", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}"#,
            1,
        ),
        (r#"{"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "x:y"}"#, 1),
        (
            r#"{"Effect": "Allow", "Principal": "*", "Action": "x:y", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}"#,
            0,
        ),
        (r#"{"Effect": "Deny", "Principal": "*", "Action": "x:y"}"#, 0),
        (
            r#"{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}"#,
            0,
        ),
    ] {
        assert_eq!(created("aws_s3_bucket_policy", &policy(statement)).len(), count, "{statement}");
    }
    for (kind, open, closed) in [
        ("aws_db_instance", r#"{"publicly_accessible": true}"#, r#"{"publicly_accessible": false}"#),
        ("aws_s3_bucket_acl", r#"{"acl": "public-read"}"#, r#"{"acl": "private"}"#),
        (
            "aws_lambda_function_url",
            r#"{"authorization_type": "NONE"}"#,
            r#"{"authorization_type": "AWS_IAM"}"#,
        ),
        ("aws_lambda_permission", r#"{"principal": "*"}"#, r#"{"principal": "*", "source_account": "1"}"#),
        ("aws_ami_launch_permission", r#"{"group": "all"}"#, r#"{"group": null}"#),
        (
            "aws_eks_cluster",
            r#"{"vpc_config": [{"endpoint_public_access": true}]}"#,
            r#"{"vpc_config": [{"endpoint_public_access": true, "public_access_cidrs": ["203.0.113.0/24"]}]}"#,
        ),
        ("cloudflare_r2_managed_domain", r#"{"enabled": true}"#, r#"{"enabled": false}"#),
        ("aws_lb", r#"{"internal": false}"#, r#"{"internal": true}"#),
    ] {
        let level = if kind == "aws_lb" { "note" } else { "error" };
        let found = created(kind, open);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{level} public: ")), "{kind}: {found:?}");
        assert!(created(kind, closed).is_empty(), "{kind}");
    }
    let block = |on: &str| {
        format!(
            r#"{{"block_public_acls": true, "block_public_policy": {on}, "ignore_public_acls": true, "restrict_public_buckets": true}}"#
        )
    };
    assert_eq!(created("aws_s3_bucket_public_access_block", &block("false")).len(), 1);
    assert!(created("aws_s3_bucket_public_access_block", &block("true")).is_empty());
}

#[test]
fn only_what_this_plan_opens_is_told() {
    let update = |before: &str, after: &str| {
        let change = format!(r#", "before": {before}, "after": {after}"#);
        judged("aws_db_instance", r#"["update"]"#, &change, &Rules::default())
    };
    let (open, closed) = (r#"{"publicly_accessible": true, "size": 1}"#, r#"{"publicly_accessible": false}"#);
    assert_eq!(update(closed, open).len(), 1);
    assert!(update(open, r#"{"publicly_accessible": true, "size": 2}"#).is_empty());
    assert!(update(open, closed).is_empty());
    let meant = Rules { public: vec!["aws_db_instance.x".into()], ..Rules::default() };
    let change = format!(r#", "before": null, "after": {open}"#);
    assert!(judged("aws_db_instance", r#"["create"]"#, &change, &meant).is_empty());
}

#[test]
fn the_block_on_public_access_may_go_with_its_bucket_and_not_before() {
    let of = |bucket_too: &str| {
        let json = format!(
            r#"{{"format_version": "1.2", "resource_changes": [
                {{"address": "aws_s3_bucket_public_access_block.b", "type": "aws_s3_bucket_public_access_block", "name": "b",
                  "change": {{"actions": ["delete"], "before": {{"bucket": "acme-b"}}}}}},
                {{"address": "aws_s3_bucket.b", "type": "aws_s3_bucket", "name": "b",
                  "change": {{"actions": ["{bucket_too}"], "before": {{"bucket": "acme-b"}}}}}}]}}"#
        );
        check(&Plan::parse(json.as_bytes()).unwrap(), &Rules::default()).unwrap().findings.len()
    };
    assert_eq!((of("no-op"), of("delete")), (1, 0));
}

#[test]
fn nobody_may_do_everything_to_everything() {
    let policy = |statement: &str| {
        format!(r#"{{"policy": {}}}"#, serde_json::Value::from(format!(r#"{{"Statement": [{statement}]}}"#)))
    };
    let all = policy(r#"{"Effect": "Allow", "Action": ["*"], "Resource": "*"}"#);
    assert_eq!(created("aws_iam_policy", &all), ["error admin: it allows every action on every resource"]);
    assert_eq!(
        created("aws_iam_role_policy", &policy(r#"{"Effect": "Allow", "Action": "*:*", "Resource": ["*"]}"#))
            .len(),
        1
    );
    assert_eq!(created("aws_iam_role", &format!(r#"{{"inline_policy": [{all}]}}"#)).len(), 1);
    let given = r#"{"policy_arn": "arn:aws-cn:iam::aws:policy/AdministratorAccess"}"#;
    assert_eq!(created("aws_iam_role_policy_attachment", given).len(), 1);
    for fine in [
        r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#,
        r#"{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::a"}"#,
        r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#,
    ] {
        assert!(created("aws_iam_policy", &policy(fine)).is_empty(), "{fine}");
    }
    assert!(created("aws_iam_policy", r#"{"policy": "not JSON"}"#).is_empty());
    // Real roles whose trust is limited by a condition, or by a federated principal.
    let json = fixture("pub-checkov-iam-policy-docs.json");
    assert!(check(&json.plan().unwrap(), &Rules::default()).unwrap().findings.is_empty());
}

#[test]
fn a_level_makes_a_rule_milder_or_silent_and_a_note_never_worse() {
    let level = |level| Rules { level: [("public".to_owned(), level)].into(), ..Rules::default() };
    let open = r#", "before": null, "after": {"publicly_accessible": true, "internal": false}"#;
    let of = |kind: &str, rules: &Rules| {
        findings(kind, r#"["create"]"#, open, rules).findings.first().map(|finding| finding.level)
    };
    assert_eq!(of("aws_db_instance", &level(RuleLevel::Warning)), Some(Level::Warning));
    assert_eq!(of("aws_db_instance", &level(RuleLevel::Off)), None);
    assert_eq!(of("aws_lb", &level(RuleLevel::Error)), Some(Level::Note));
}

#[test]
fn findings_never_hold_a_value_and_a_hostile_address_stays_in_its_line() {
    let json = r#"{"format_version": "1.2", "resource_changes": [{"address": "aws_db_instance.x[\"a\nerror b: c\"]",
        "type": "aws_db_instance", "name": "x", "change": {"actions": ["create"],
        "after": {"publicly_accessible": true, "password": "hunter2-hunter2", "tags": {"secret": "hunter2-hunter2"}}}}]}"#;
    let rules =
        Rules { required_tags: vec!["team".into()], owned: vec!["aws_db_*".into()], ..Rules::default() };
    let found = check(&Plan::parse(json.as_bytes()).unwrap(), &rules).unwrap();
    assert_eq!(found.findings.len(), 3);
    let text = format!("{found} {}", serde_json::to_string(&found).unwrap());
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(found.to_string().lines().count(), 6, "{found}");
}

#[test]
fn values_of_resources_that_stay_are_never_read() {
    // The values are no valid tree: reading one would be an error.
    let json = br#"{"format_version": "1.2", "resource_changes": [{"address": "aws_db_instance.x",
        "type": "aws_db_instance", "name": "x", "change": {"actions": ["no-op"], "after": {"a": 1, "a": 2}}}]}"#;
    let rules = Rules { required_tags: vec!["team".into()], ..Rules::default() };
    assert!(check(&Plan::parse(json).unwrap(), &rules).unwrap().findings.is_empty());
}
