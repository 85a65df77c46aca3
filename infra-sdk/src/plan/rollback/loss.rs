//! What no way back brings back: the types that hold data, and attributes that only grow.

use crate::plan::rollback::Certainty;

/// Types that hold something which is not in their code, and what that is. A `*` at the end stands for any rest.
/// From the documentation of each service: what deleting one of it deletes.
const HOLDERS: &[(&str, &str)] = &[
    ("aws_db_instance", "its data is gone unless a final snapshot was taken"),
    ("aws_db_snapshot", "the snapshot is gone"),
    ("aws_docdb_cluster*", "its data is gone unless a final snapshot was taken"),
    ("aws_dynamodb_table", "its items are gone unless a backup was made"),
    ("aws_ebs_snapshot*", "the snapshot is gone"),
    ("aws_ebs_volume", "its data is gone unless a snapshot was taken"),
    ("aws_ecr_repository", "its images are gone"),
    ("aws_efs_file_system", "its files are gone unless a backup was made"),
    ("aws_elasticache_*", "what it held is gone unless a snapshot was taken"),
    ("aws_instance", "what stood on its disks is gone"),
    ("aws_kinesis_stream", "its records are gone"),
    ("aws_kms_key", "it can be kept only as long as its deletion is pending, 7 to 30 days"),
    ("aws_cloudwatch_log_group", "its logs are gone"),
    ("aws_memorydb_*", "what it held is gone unless a snapshot was taken"),
    ("aws_msk_cluster", "its records are gone"),
    ("aws_neptune_cluster*", "its data is gone unless a final snapshot was taken"),
    ("aws_opensearch_domain", "its indices are gone unless a snapshot was taken"),
    ("aws_rds_cluster*", "its data is gone unless a final snapshot was taken"),
    ("aws_redshift_cluster", "its data is gone unless a final snapshot was taken"),
    ("aws_s3_bucket", "its objects are gone"),
    ("aws_s3_object", "the object is gone unless the bucket keeps versions"),
    ("aws_secretsmanager_secret", "its values can be had back only in its recovery window, 7 to 30 days"),
    ("aws_sqs_queue", "its messages are gone"),
    ("cloudflare_d1_database", "its data is gone"),
    ("cloudflare_queue", "its messages are gone"),
    ("cloudflare_r2_bucket", "its objects are gone"),
    ("cloudflare_workers_kv*", "its values are gone"),
    ("random_*", "a new value is drawn"),
    ("tls_private_key", "a new key is made"),
];

/// Attributes that cannot be changed back in place, and why.
const ONE_WAY: &[(&str, &str, &str)] = &[
    ("aws_db_instance", "allocated_storage", "storage cannot be made smaller"),
    ("aws_db_instance", "engine_version", "an engine is not downgraded; restore a snapshot from before"),
    ("aws_rds_cluster", "engine_version", "an engine is not downgraded; restore a snapshot from before"),
    ("aws_docdb_cluster", "engine_version", "an engine is not downgraded; restore a snapshot from before"),
    ("aws_elasticache_replication_group", "engine_version", "an engine is not downgraded"),
    ("aws_opensearch_domain", "engine_version", "an engine is not downgraded"),
    ("aws_eks_cluster", "version", "a cluster is not downgraded"),
    ("aws_ebs_volume", "size", "a volume cannot be made smaller"),
    ("aws_efs_file_system", "encrypted", "encryption cannot be taken back"),
];

/// How far making one of this type again brings back what was there.
pub(super) fn of_destroying(kind: &str) -> (Certainty, String) {
    let holder = HOLDERS.iter().find(|(name, _)| match name.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => kind == *name,
    });
    match holder {
        Some((_, what)) => (Certainty::Not, (*what).to_owned()),
        None => (Certainty::Partly, "it gets a new id".to_owned()),
    }
}

/// How far changing these attributes back in place works.
pub(super) fn of_changing(kind: &str, attributes: &[String]) -> (Certainty, Option<String>) {
    let one_way = ONE_WAY
        .iter()
        .find(|(name, attribute, _)| *name == kind && attributes.iter().any(|changed| changed == attribute));
    match one_way {
        Some((_, attribute, why)) => (Certainty::Not, Some(format!("{attribute}: {why}"))),
        None => (Certainty::Whole, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_data_is_told_from_what_its_code_describes() {
        assert_eq!(of_destroying("aws_s3_bucket").0, Certainty::Not);
        assert_eq!(of_destroying("aws_rds_cluster_instance").0, Certainty::Not);
        assert_eq!(of_destroying("aws_s3_bucket_policy").0, Certainty::Partly);
        assert_eq!(of_changing("aws_db_instance", &["tags".into()]).0, Certainty::Whole);
        assert_eq!(
            of_changing("aws_db_instance", &["tags".into(), "engine_version".into()]).0,
            Certainty::Not
        );
    }
}
