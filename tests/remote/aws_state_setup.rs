//! Making a bucket a safe place for states, read back by AWS's own client for Python.

use infra_sdk::aws::{Aws, Bucket, S3State};
use infra_sdk::state::{KeyTemplate, Probe, SetupPlan, SetupStep, StateStore};
use infra_sdk::{Env, ErrorKind};
use serde_json::Value;
use support::{Answer, Moto, Recorder, S3};

use crate::aws::aws_at;

fn states(s3: &S3, name: &str, kms_key: Option<&str>) -> S3State {
    let bucket = Bucket::on_s3(aws_at(&s3.url()), name, kms_key.map(str::to_owned)).unwrap();
    S3State::new(bucket, KeyTemplate::default())
}

async fn set_up(states: &S3State) -> SetupPlan {
    let plan = states.plan_setup().await.unwrap();
    states.set_up(&plan).await.unwrap();
    assert_eq!(states.plan_setup().await.unwrap().steps, [], "the next plan is empty");
    plan
}

/// What boto3 says of a bucket.
fn told(moto: &Moto, s3: &S3, name: &str) -> Value {
    let script = format!(
        "s3 = boto3.client('s3', endpoint_url='{}')\nb = '{name}'\nprint(json.dumps({{\n\
         'versioning': s3.get_bucket_versioning(Bucket=b).get('Status'),\n\
         'encryption': s3.get_bucket_encryption(Bucket=b)['ServerSideEncryptionConfiguration']['Rules'][0],\n\
         'public': s3.get_public_access_block(Bucket=b)['PublicAccessBlockConfiguration'],\n\
         'policy': json.loads(s3.get_bucket_policy(Bucket=b)['Policy']),\n\
         'region': s3.get_bucket_location(Bucket=b)['LocationConstraint'],\n\
         'objects': s3.list_object_versions(Bucket=b).get('Versions', []) == []}}))",
        s3.url()
    );
    serde_json::from_str(&moto.python(&script)).unwrap()
}

#[tokio::test]
async fn a_bucket_is_made_safe_once() {
    let moto = Moto::shared();
    let s3 = S3::before(&moto);
    let states = states(&s3, "set-up", None);
    let plan = set_up(&states).await;
    assert_eq!(plan.steps.len(), 5);
    assert!(plan.to_string().contains(" + make the bucket in eu-central-1"), "{plan}");
    let told = told(&moto, &s3, "set-up");
    assert_eq!((&told["versioning"], &told["region"]), (&"Enabled".into(), &"eu-central-1".into()));
    let by_default = &told["encryption"]["ApplyServerSideEncryptionByDefault"];
    assert_eq!(by_default["SSEAlgorithm"], "AES256");
    assert!(
        told["public"].as_object().unwrap().values().all(|on| *on == true)
            && told["public"].as_object().unwrap().len() == 4
    );
    let statement = &told["policy"]["Statement"][0];
    assert_eq!(statement["Condition"]["Bool"]["aws:SecureTransport"], "false");
    assert_eq!((&statement["Effect"], &statement["Principal"]), (&"Deny".into(), &"*".into()));
}

#[tokio::test]
async fn what_others_put_into_a_policy_stays_and_a_key_of_ones_own_encrypts() {
    let moto = Moto::shared();
    let s3 = S3::before(&moto);
    let made = "b = 'set-up-theirs'\n\
         s3.create_bucket(Bucket=b, CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})\n\
         s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={'Status': 'Suspended'})\n\
         s3.put_bucket_policy(Bucket=b, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [{'Sid': 'Theirs', \
         'Effect': 'Allow', 'Principal': {'AWS': 'arn:aws:iam::123456789012:root'}, 'Action': 's3:GetObject', \
         'Resource': 'arn:aws:s3:::set-up-theirs/*'}]}))";
    moto.python(&format!("s3 = boto3.client('s3', endpoint_url='{}')\n{made}", s3.url()));
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let states = states(&s3, "set-up-theirs", Some(key));
    let steps = set_up(&states).await.steps;
    let wanted = [
        SetupStep::BlockPublicAccess,
        SetupStep::Encrypt { key: Some(key.into()) },
        SetupStep::KeepVersions,
        SetupStep::RequireTls,
    ];
    assert_eq!(steps, wanted);
    let told = told(&moto, &s3, "set-up-theirs");
    assert_eq!(told["policy"]["Statement"][0]["Sid"], "Theirs");
    assert_eq!(told["policy"]["Statement"].as_array().unwrap().len(), 2);
    let by_default = &told["encryption"]["ApplyServerSideEncryptionByDefault"];
    assert_eq!(
        (&by_default["SSEAlgorithm"], &by_default["KMSMasterKeyID"]),
        (&"aws:kms".into(), &key.into())
    );
    assert_eq!(told["versioning"], "Enabled");
}

#[tokio::test]
async fn the_first_region_of_aws_is_not_named_when_a_bucket_is_made() {
    let moto = Moto::shared();
    let s3 = S3::before(&moto);
    let url = s3.url();
    let vars = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let aws = Aws::connect(&Env::of(vars, "/"), Some("us-east-1")).unwrap();
    let states = S3State::new(Bucket::on_s3(aws, "set-up-first", None).unwrap(), KeyTemplate::default());
    set_up(&states).await;
    assert_eq!(told(&moto, &s3, "set-up-first")["region"], Value::Null);
}

#[tokio::test]
async fn a_probe_finds_out_what_a_store_does_and_leaves_nothing_behind() {
    let moto = Moto::shared();
    let s3 = S3::before(&moto);
    let states = states(&s3, "probed", None);
    set_up(&states).await;
    let probe = states.probe().await.unwrap();
    assert_eq!(probe, Probe { creates_once: true, deletes_what_was_seen: true });
    let left = moto.python("print(client('s3').list_objects_v2(Bucket='probed')['KeyCount'])");
    assert_eq!(left, "0");
}

#[tokio::test]
async fn a_store_that_takes_every_write_can_not_lock() {
    let recorder = Recorder::start(|request| match request.method.as_str() {
        "PUT" => Ok(Answer::Whole(200, vec![("etag", "\"e\"".into())], String::new())),
        "DELETE" => Ok(Answer::Whole(204, Vec::new(), String::new())),
        other => Err(format!("{other} was not expected")),
    });
    let bucket = Bucket::on_s3(aws_at(&recorder.url()), "naive", None).unwrap();
    let probe = S3State::new(bucket, KeyTemplate::default()).probe().await.unwrap();
    assert_eq!(probe, Probe { creates_once: false, deletes_what_was_seen: false });
    assert!(probe.require().is_err() && probe.to_string().contains("can not lock"));
    let methods: Vec<String> = recorder.take().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["PUT", "PUT", "DELETE", "DELETE"]);
}

#[tokio::test]
async fn a_bucket_of_somebody_elses_is_told_before_anything_is_made() {
    let recorder = Recorder::start(|request| match request.method.as_str() {
        "HEAD" => Ok(Answer::Whole(403, vec![("x-amz-bucket-region", "us-west-2".into())], String::new())),
        other => Err(format!("{other} was not expected")),
    });
    let bucket = Bucket::on_s3(aws_at(&recorder.url()), "theirs", None).unwrap();
    let error = S3State::new(bucket, KeyTemplate::default()).plan_setup().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(
        error.to_string().contains("s3:ListBucket") && error.hints()[1].contains("another account"),
        "{error:?}"
    );
}
