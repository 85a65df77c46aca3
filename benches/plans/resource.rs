//! One resource of a made plan.

use serde_json::{Value, json};

use crate::marks;
use crate::recipe::{Recipe, Shape, Variant};
use crate::tokens::{hex, number, secret};

/// Instances in one module.
pub(crate) const IN_MODULE: usize = 8;

/// Type and name of each instance in a module.
pub(crate) const KINDS: [(&str, &str); IN_MODULE] = [
    ("aws_iam_role", "task"),
    ("aws_security_group", "service"),
    ("aws_ecs_task_definition", "task"),
    ("aws_ecs_service", "service"),
    ("aws_lb_listener_rule", "path"),
    ("aws_cloudwatch_metric_alarm", "alarm"),
    ("aws_ssm_parameter", "config"),
    ("aws_db_instance", "db"),
];

/// What is done to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    Create,
    Update,
    Delete,
    Replace,
}

/// One instance, before and after.
pub(crate) struct Resource {
    pub(crate) at: usize,
    pub(crate) deed: Deed,
    pub(crate) module: String,
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) index: Option<Value>,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) unknown: Value,
}

impl Resource {
    pub(crate) fn of(recipe: &Recipe, at: usize) -> Self {
        let planned = deed(recipe, at);
        let is_applied = recipe.variant == Variant::PartApplied && at < recipe.resources / 2;
        let deed = if is_applied { Deed::Nothing } else { planned };
        let (kind, name) = KINDS[at % IN_MODULE];
        let index = match at % IN_MODULE {
            4 => Some(json!(format!("/{}/<v{}>", hex(recipe.seed, at, 1), at % 3))),
            5 => Some(json!(0)),
            _ => None,
        };
        let revision = u64::from(is_applied && planned != Deed::Nothing);
        let before = if deed == Deed::Create { Value::Null } else { values(recipe, at, revision) };
        let mut after = match deed {
            Deed::Nothing => before.clone(),
            Deed::Delete => Value::Null,
            Deed::Create | Deed::Update | Deed::Replace => values(recipe, at, 1),
        };
        let hidden: &[&str] = match deed {
            Deed::Create | Deed::Replace => &["arn", "id", "output"],
            Deed::Update if recipe.variant == Variant::Resolved && is_first_update(recipe, at) => &[],
            Deed::Update => &["output"],
            Deed::Nothing | Deed::Delete => &[],
        };
        if let Some(members) = after.as_object_mut() {
            hidden.iter().for_each(|name| drop(members.remove(*name)));
        }
        if recipe.variant == Variant::Attribute && is_first_update(recipe, at) {
            after["description"] = json!("changed since it was approved");
        }
        let unknown = if after.is_null() { json!(false) } else { marks::unknown(&after, hidden) };
        Resource { at, deed, module: module(at / IN_MODULE), kind, name, index, before, after, unknown }
    }

    pub(crate) fn address(&self) -> String {
        let index = self.index.as_ref().map(|index| format!("[{index}]")).unwrap_or_default();
        format!("{}.{}.{}{index}", self.module, self.kind, self.name)
    }
}

/// The address of a module.
pub(crate) fn module(at: usize) -> String {
    format!("module.svc[\"svc-{at:05}\"]")
}

fn is_first_update(recipe: &Recipe, at: usize) -> bool {
    let update = |at: &usize| planned(recipe, *at) == Deed::Update;
    update(&at) && (0..at).find(update).is_none()
}

fn deed(recipe: &Recipe, at: usize) -> Deed {
    let is_untouched = |at: &usize| planned(recipe, *at) == Deed::Nothing;
    let is_wider = recipe.variant == Variant::Wider;
    if is_wider && is_untouched(&at) && (0..at).find(is_untouched).is_none() {
        return Deed::Delete;
    }
    planned(recipe, at)
}

/// What the approved plan does.
fn planned(recipe: &Recipe, at: usize) -> Deed {
    let chance = number(recipe.seed, at, 0) % 100;
    match recipe.shape {
        Shape::ModuleHeavy => Deed::Create,
        Shape::BigState | Shape::SecretHeavy => match chance {
            0..15 => Deed::Update,
            15..19 => Deed::Replace,
            19..21 => Deed::Create,
            21 => Deed::Delete,
            _ => Deed::Nothing,
        },
        Shape::AllChanged => match chance {
            0..60 => Deed::Update,
            60..80 => Deed::Replace,
            80..92 => Deed::Create,
            _ => Deed::Delete,
        },
    }
}

/// The attributes; another revision differs as an update does.
fn values(recipe: &Recipe, at: usize, revision: u64) -> Value {
    let seed = recipe.seed;
    let id = hex(seed, at, 2);
    let name = format!("svc-{:05}-{}", at / IN_MODULE, KINDS[at % IN_MODULE].1);
    let version = format!("1.{}.{revision}", number(seed, at, 3) % 20);
    let mut value = match at % IN_MODULE {
        0 => json!({
            "assume_role_policy": json!({"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Sid": format!("V{revision}")}],
                "Version": "2012-10-17"}).to_string(),
            "max_session_duration": 3600, "path": "/", "permissions_boundary": null,
        }),
        1 => json!({
            "ingress": [
                {"cidr_blocks": ["10.0.0.0/8", format!("172.16.{revision}.0/24")], "from_port": 443,
                    "protocol": "tcp", "to_port": 443, "description": "from <load balancer> & peers"},
                {"cidr_blocks": ["10.1.0.0/16"], "from_port": 8080, "protocol": "tcp", "to_port": 8080,
                    "description": ""}],
            "vpc_id": "vpc-0123456789abcdef0", "revoke_rules_on_delete": false,
        }),
        2 => json!({
            "container_definitions": json!([{"cpu": 256, "environment": [{"name": "VERSION", "value": version}],
                "essential": true, "image": format!("registry.example/svc:{version}"), "name": name}]).to_string(),
            "cpu": "256", "memory": "512", "network_mode": "awsvpc", "revision": number(seed, at, 4) % 90 + revision,
        }),
        3 => json!({
            "desired_count": 2 + revision, "launch_type": "FARGATE", "health_check_grace_period_seconds": 60,
            "network_configuration": [{"assign_public_ip": false, "security_groups": [format!("sg-{id}")],
                "subnets": ["subnet-0a", "subnet-0b", "subnet-0c"]}],
        }),
        4 => json!({
            "action": [{"order": 1, "target_group_arn": format!("arn:aws:elb:{id}"), "type": "forward"}],
            "condition": [{"path_pattern": [{"values": [format!("/v{revision}/*")]}]}], "priority": at % 50_000,
        }),
        5 => json!({
            "alarm_actions": ["arn:aws:sns:eu-west-1:123456789012:alarms"], "comparison_operator": "GreaterThanThreshold",
            "evaluation_periods": 3, "period": 60, "threshold": 80.5 + revision as f64, "treat_missing_data": "missing",
            "dimensions": {"ClusterName": "main", "ServiceName": name},
        }),
        6 => json!({
            "data_type": "text", "tier": "Standard", "type": "SecureString", "value": secret(seed, at, 5 + revision),
            "version": number(seed, at, 6) % 90 + revision,
        }),
        _ => json!({
            "allocated_storage": 20 + 10 * revision, "engine": "postgres", "engine_version": version,
            "password": secret(seed, at, 7), "username": "app", "backup_window": "03:00-04:00",
            "serial": 12_345_678_901_234_567_890_u64,
        }),
    };
    value["arn"] = json!(format!("arn:aws:service:eu-west-1:123456789012:{name}/{id}"));
    value["description"] = json!(format!("made by numbers, revision {revision}"));
    value["id"] = json!(id);
    value["name"] = json!(name);
    value["output"] = json!(format!("out-{id}-{revision}"));
    value["tags"] = json!({"Environment": "prod", "Team": "shop", "Name": name});
    if recipe.shape == Shape::SecretHeavy {
        let token = secret(seed, at, 10 + revision);
        value["environment"] =
            json!([{"name": "A", "token": secret(seed, at, 8)}, {"name": "B", "token": secret(seed, at, 9)}]);
        value["token"] = json!(token);
        // The same secret where Terraform marks nothing: computed, in a URL, and in a text that is JSON.
        value["output"] = json!(token);
        value["url"] = json!(format!("https://app:{token}@db.example:5432/app?sslmode=require&a=b"));
        value["rendered"] = json!(json!({"db": {"token": token}}).to_string());
    }
    value
}
