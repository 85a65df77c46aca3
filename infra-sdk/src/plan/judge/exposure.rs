//! The ways in which a resource is open to the public, by its type.

use crate::plan::json::{Mark, Value};
use crate::plan::judge::iam;
use crate::plan::judge::{Level, network};

/// One way in which a resource is open to the public.
pub(super) struct Exposure {
    /// The same for the same way in: what was open before is no news. May hold anything of the plan; never shown.
    pub(super) key: String,
    /// As one sentence, without values.
    pub(super) message: String,
    pub(super) level: Level,
}

impl Exposure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Exposure { key: message.clone(), message, level: Level::Error }
    }
}

/// Resource types with a policy that says who may use them, and the attribute it stands in.
///
/// Of the AWS provider's documentation, as of version 6.
const POLICIES: [(&str, &str); 21] = [
    ("aws_backup_vault_policy", "policy"),
    ("aws_ecr_repository_policy", "policy"),
    ("aws_ecr_registry_policy", "policy"),
    ("aws_efs_file_system_policy", "policy"),
    ("aws_elasticsearch_domain", "access_policies"),
    ("aws_elasticsearch_domain_policy", "access_policies"),
    ("aws_glacier_vault", "access_policy"),
    ("aws_iam_role", "assume_role_policy"),
    ("aws_kms_key", "policy"),
    ("aws_kms_key_policy", "policy"),
    ("aws_opensearch_domain", "access_policies"),
    ("aws_opensearch_domain_policy", "access_policies"),
    ("aws_s3_access_point", "policy"),
    ("aws_s3_bucket", "policy"),
    ("aws_s3_bucket_policy", "policy"),
    ("aws_secretsmanager_secret", "policy"),
    ("aws_secretsmanager_secret_policy", "policy"),
    ("aws_sns_topic", "policy"),
    ("aws_sns_topic_policy", "policy"),
    ("aws_sqs_queue", "policy"),
    ("aws_sqs_queue_policy", "policy"),
];

type Look = fn(&Value<'_>, Mark<'_>) -> Vec<Exposure>;

/// What to look at besides a policy.
fn look(kind: &str) -> Option<Look> {
    Some(match kind {
        "aws_security_group" | "aws_default_security_group" => network::group,
        "aws_security_group_rule" => network::rule,
        "aws_vpc_security_group_ingress_rule" => network::ingress_rule,
        "aws_s3_bucket_public_access_block" | "aws_s3_account_public_access_block" => block,
        "aws_s3_bucket" | "aws_s3_bucket_acl" | "aws_s3_object" | "aws_s3_bucket_object" => acl,
        "aws_db_instance"
        | "aws_rds_cluster_instance"
        | "aws_redshift_cluster"
        | "aws_dms_replication_instance" => database,
        "aws_lb" | "aws_alb" | "aws_elb" => balancer,
        "aws_lambda_function_url" => function_url,
        "aws_lambda_permission" => permission,
        "aws_ami_launch_permission" => image,
        "aws_eks_cluster" => cluster,
        "cloudflare_r2_managed_domain" => managed_domain,
        "cloudflare_r2_custom_domain" => custom_domain,
        _ => return None,
    })
}

fn policy_of(kind: &str) -> Option<&'static str> {
    POLICIES.iter().find(|(known, _)| *known == kind).map(|(_, attribute)| *attribute)
}

/// Whether a type can be open at all, which spares reading the values of all others.
pub(super) fn is_known(kind: &str) -> bool {
    look(kind).is_some() || policy_of(kind).is_some()
}

/// Every way in which `value`, a resource of the type `kind`, is open.
pub(super) fn exposures(kind: &str, value: &Value<'_>, unknown: Mark<'_>) -> Vec<Exposure> {
    if value.is_null() {
        return Vec::new();
    }
    let mut found = look(kind).map(|look| look(value, unknown)).unwrap_or_default();
    let document = policy_of(kind).and_then(|attribute| value.get(attribute)?.as_str());
    found.extend(document.map(iam::open_statements).unwrap_or_default());
    found
}

fn is(value: &Value<'_>, key: &str, wanted: bool) -> bool {
    value.get(key).and_then(Value::as_bool) == Some(wanted)
}

fn text<'v>(value: &'v Value<'_>, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn one(open: bool, message: &str) -> Vec<Exposure> {
    if open { vec![Exposure::new(message)] } else { Vec::new() }
}

fn noted(open: bool, message: &str) -> Vec<Exposure> {
    one(open, message).into_iter().map(|exposure| Exposure { level: Level::Note, ..exposure }).collect()
}

fn block(value: &Value<'_>, unknown: Mark<'_>) -> Vec<Exposure> {
    let switches =
        ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"];
    // The provider's default of each is `false`.
    let is_off = |key: &str| !is(value, key, true) && !unknown.key(key).is_any();
    let off = switches.into_iter().filter(|key| is_off(key));
    off.map(|key| Exposure::new(format!("`{key}` of the block on public access is off"))).collect()
}

fn acl(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    let acl = text(value, "acl");
    let open =
        ["public-read", "public-read-write", "authenticated-read"].into_iter().find(|open| *open == acl);
    let mut found: Vec<Exposure> =
        open.into_iter().map(|acl| Exposure::new(format!("its access list is `{acl}`"))).collect();
    if value.to_string().contains("acs.amazonaws.com/groups/global/A") {
        // `AllUsers` and `AuthenticatedUsers`: everybody, and everybody with any AWS account.
        found.push(Exposure::new("its access list has a grant for everybody"));
    }
    found
}

fn database(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    one(is(value, "publicly_accessible", true), "it gets a public address (`publicly_accessible`)")
}

fn balancer(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    noted(is(value, "internal", false), "it is reachable from the internet (`internal = false`)")
}

fn function_url(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    one(
        text(value, "authorization_type") == "NONE",
        "everybody can call its URL (`authorization_type = \"NONE\"`)",
    )
}

fn permission(value: &Value<'_>, unknown: Mark<'_>) -> Vec<Exposure> {
    let limits = ["source_arn", "source_account", "principal_org_id", "function_url_auth_type"];
    let limited = |key: &str| !text(value, key).is_empty() || unknown.key(key).is_any();
    let open = text(value, "principal") == "*" && !limits.into_iter().any(limited);
    one(open, "everybody may invoke the function (`principal = \"*\"`)")
}

fn image(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    one(text(value, "group") == "all", "everybody may start the machine image (`group = \"all\"`)")
}

/// Without `public_access_cidrs` the endpoint is open to all addresses, which the provider learns after the apply.
fn cluster(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    let settings = value.get("vpc_config").and_then(Value::as_array).unwrap_or_default();
    let open = settings.iter().any(|settings| {
        let ranges = settings.get("public_access_cidrs").and_then(Value::as_array).unwrap_or_default();
        let world = ranges.is_empty() || ranges.iter().filter_map(Value::as_str).any(network::is_world);
        is(settings, "endpoint_public_access", true) && world
    });
    one(open, "the cluster's endpoint is open to all addresses (`endpoint_public_access`)")
}

fn managed_domain(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    one(is(value, "enabled", true), "the bucket gets a public address at r2.dev")
}

fn custom_domain(value: &Value<'_>, _: Mark<'_>) -> Vec<Exposure> {
    noted(is(value, "enabled", true), "the bucket is public under a domain of its own")
}
