//! Attributes that are known to be sets, for a plan does not tell.

/// Attributes of the top level of often used resources that are sets in the schema of hashicorp/aws 6.47, as
/// `terraform providers schema -json` writes it: those of type `set` and blocks of nesting mode `set`. Sorted.
///
/// None of Cloudflare's stand here: versions 4 and 5 of its provider disagree on which they are.
const SETS: &[(&str, &[&str])] = &[
    ("aws_acm_certificate", &["domain_validation_options", "subject_alternative_names", "validation_option"]),
    ("aws_alb", &["security_groups", "subnet_mapping", "subnets"]),
    ("aws_apigatewayv2_vpc_link", &["security_group_ids", "subnet_ids"]),
    (
        "aws_autoscaling_group",
        &[
            "availability_zones",
            "enabled_metrics",
            "initial_lifecycle_hook",
            "load_balancers",
            "suspended_processes",
            "tag",
            "target_group_arns",
            "traffic_source",
            "vpc_zone_identifier",
        ],
    ),
    ("aws_budgets_budget", &["cost_filter", "notification", "planned_limit"]),
    ("aws_cloudfront_distribution", &["aliases", "custom_error_response", "origin", "origin_group"]),
    (
        "aws_cloudwatch_metric_alarm",
        &["alarm_actions", "insufficient_data_actions", "metric_query", "ok_actions"],
    ),
    (
        "aws_codebuild_project",
        &["file_system_locations", "secondary_artifacts", "secondary_source_version", "secondary_sources"],
    ),
    (
        "aws_cognito_user_pool",
        &["alias_attributes", "auto_verified_attributes", "schema", "username_attributes"],
    ),
    (
        "aws_cognito_user_pool_client",
        &[
            "allowed_oauth_flows",
            "allowed_oauth_scopes",
            "callback_urls",
            "explicit_auth_flows",
            "logout_urls",
            "read_attributes",
            "supported_identity_providers",
            "write_attributes",
        ],
    ),
    ("aws_db_instance", &["enabled_cloudwatch_logs_exports", "vpc_security_group_ids"]),
    ("aws_db_parameter_group", &["parameter"]),
    ("aws_db_subnet_group", &["subnet_ids", "supported_network_types"]),
    ("aws_default_security_group", &["egress", "ingress"]),
    ("aws_docdb_cluster", &["availability_zones", "cluster_members", "vpc_security_group_ids"]),
    ("aws_dynamodb_table", &["attribute", "global_secondary_index", "local_secondary_index", "replica"]),
    ("aws_ec2_managed_prefix_list", &["entry"]),
    ("aws_ec2_transit_gateway_vpc_attachment", &["subnet_ids"]),
    ("aws_ecs_cluster_capacity_providers", &["capacity_providers", "default_capacity_provider_strategy"]),
    (
        "aws_ecs_service",
        &[
            "capacity_provider_strategy",
            "load_balancer",
            "placement_constraints",
            "vpc_lattice_configurations",
        ],
    ),
    ("aws_ecs_task_definition", &["placement_constraints", "requires_compatibilities", "volume"]),
    ("aws_efs_mount_target", &["security_groups"]),
    ("aws_eks_access_entry", &["kubernetes_groups"]),
    ("aws_eks_cluster", &["enabled_cluster_log_types"]),
    ("aws_eks_node_group", &["subnet_ids", "taint"]),
    ("aws_elasticache_cluster", &["log_delivery_configuration", "security_group_ids"]),
    ("aws_elasticache_parameter_group", &["parameter"]),
    (
        "aws_elasticache_replication_group",
        &[
            "log_delivery_configuration",
            "member_clusters",
            "node_group_configuration",
            "security_group_ids",
            "security_group_names",
            "snapshot_arns",
            "user_group_ids",
        ],
    ),
    ("aws_elasticache_subnet_group", &["subnet_ids"]),
    ("aws_iam_group_membership", &["users"]),
    ("aws_iam_openid_connect_provider", &["client_id_list"]),
    ("aws_iam_policy_attachment", &["groups", "roles", "users"]),
    ("aws_iam_role", &["inline_policy", "managed_policy_arns"]),
    ("aws_iam_user_group_membership", &["groups"]),
    (
        "aws_instance",
        &[
            "ebs_block_device",
            "ephemeral_block_device",
            "network_interface",
            "secondary_network_interface",
            "secondary_private_ips",
            "security_groups",
            "vpc_security_group_ids",
        ],
    ),
    (
        "aws_lambda_event_source_mapping",
        &["function_response_types", "source_access_configuration", "topics"],
    ),
    ("aws_lambda_function", &["replacement_security_group_ids"]),
    ("aws_launch_template", &["license_specification", "security_group_names", "vpc_security_group_ids"]),
    ("aws_lb", &["security_groups", "subnet_mapping", "subnets"]),
    ("aws_lb_listener_rule", &["condition", "transform"]),
    ("aws_lb_target_group", &["load_balancer_arns"]),
    ("aws_mq_broker", &["security_groups", "subnet_ids", "user"]),
    (
        "aws_neptune_cluster",
        &[
            "availability_zones",
            "cluster_members",
            "enable_cloudwatch_logs_exports",
            "iam_roles",
            "vpc_security_group_ids",
        ],
    ),
    ("aws_network_acl", &["egress", "ingress", "subnet_ids"]),
    ("aws_opensearch_domain", &["log_publishing_options"]),
    (
        "aws_rds_cluster",
        &[
            "availability_zones",
            "cluster_members",
            "enabled_cloudwatch_logs_exports",
            "iam_roles",
            "vpc_security_group_ids",
        ],
    ),
    ("aws_rds_cluster_parameter_group", &["parameter"]),
    ("aws_redshift_cluster", &["iam_roles", "vpc_security_group_ids"]),
    ("aws_route53_record", &["records"]),
    ("aws_route53_zone", &["vpc"]),
    ("aws_route_table", &["propagating_vgws", "route"]),
    ("aws_s3_bucket", &["grant"]),
    ("aws_s3_bucket_cors_configuration", &["cors_rule"]),
    ("aws_security_group", &["egress", "ingress"]),
    (
        "aws_vpc_endpoint",
        &[
            "network_interface_ids",
            "route_table_ids",
            "security_group_ids",
            "subnet_configuration",
            "subnet_ids",
        ],
    ),
    ("aws_wafv2_ip_set", &["addresses"]),
];

/// The attributes of a resource type that are sets, as far as they are known.
pub(super) fn sets(kind: &str) -> &'static [&'static str] {
    SETS.binary_search_by(|(name, _)| (*name).cmp(kind)).map_or(&[], |at| SETS[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_it_is_searched() {
        assert!(SETS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(sets("aws_lb").contains(&"subnets") && sets("aws_nothing").is_empty());
    }
}
