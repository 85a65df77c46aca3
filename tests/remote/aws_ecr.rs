//! Repositories in ECR against the emulator moto, read back by AWS's own client for Python.

use infra_sdk::ErrorKind;
use infra_sdk::aws::Ecr;
use infra_sdk::images::{Repositories, RepositoryChange, RepositorySpec};
use serde_json::{Value, json};
use support::Moto;

use crate::aws::aws_at;
use crate::image_shop::ImageShop;

fn spec(name: &str) -> RepositorySpec {
    RepositorySpec {
        name: name.parse().unwrap(),
        keep: 100,
        keep_untagged: 14,
        pull_accounts: vec!["210987654321".into()],
        key: None,
    }
}

/// Sets it up, and gives what was changed; afterwards nothing is left to change.
async fn set_up(ecr: &Ecr, spec: &RepositorySpec) -> Vec<String> {
    let plan = ecr.plan(spec).await.unwrap();
    ecr.apply(&plan).await.unwrap();
    let again = ecr.plan(spec).await.unwrap();
    assert!(again.is_empty(), "{again}");
    ecr.apply(&again).await.unwrap();
    let kind = |change: &RepositoryChange| {
        serde_json::to_value(change).unwrap()["change"].as_str().unwrap().to_owned()
    };
    plan.changes.iter().map(kind).collect()
}

/// What boto3 reads of a repository.
fn read(moto: &Moto, name: &str) -> Value {
    let told = moto.python(&format!(
        "
ecr, name = client('ecr'), '{name}'
found = ecr.describe_repositories(repositoryNames=[name])['repositories'][0]
told = {{
    'tags': found['imageTagMutability'],
    'scan': found['imageScanningConfiguration']['scanOnPush'],
    'encryption': found['encryptionConfiguration'],
    'rules': json.loads(ecr.get_lifecycle_policy(repositoryName=name)['lifecyclePolicyText'])['rules'],
}}
try:
    told['policy'] = json.loads(ecr.get_repository_policy(repositoryName=name)['policyText'])['Statement']
except ecr.exceptions.RepositoryPolicyNotFoundException:
    told['policy'] = None
print(json.dumps(told))
"
    ));
    serde_json::from_str(&told).unwrap()
}

#[tokio::test]
async fn a_repository_is_made_as_wanted() {
    let moto = Moto::shared();
    let ecr = Ecr::new(aws_at(&moto.url())).unwrap();
    assert_eq!(set_up(&ecr, &spec("made/app")).await, ["create", "lifecycle", "pull"]);
    let told = read(&moto, "made/app");
    assert_eq!((&told["tags"], &told["scan"]), (&json!("IMMUTABLE"), &json!(true)));
    assert_eq!(told["encryption"]["encryptionType"], "AES256");
    let (untagged, tagged) = (&told["rules"][0]["selection"], &told["rules"][1]["selection"]);
    assert_eq!((&untagged["tagStatus"], &untagged["countNumber"]), (&json!("untagged"), &json!(14)));
    assert_eq!((&tagged["tagPatternList"], &tagged["countNumber"]), (&json!(["*"]), &json!(100)));
    assert_eq!(told["policy"][0]["Principal"]["AWS"], json!(["arn:aws:iam::210987654321:root"]));
}

#[tokio::test]
async fn whatever_was_changed_by_hand_is_corrected_and_nothing_else_is_touched() {
    let moto = Moto::shared();
    let ecr = Ecr::new(aws_at(&moto.url())).unwrap();
    let wanted = spec("spoilt/app");
    set_up(&ecr, &wanted).await;
    let spoil = |code: &str| moto.python(&format!("ecr, name = client('ecr'), 'spoilt/app'\n{code}"));
    spoil("ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability='MUTABLE')");
    assert_eq!(set_up(&ecr, &wanted).await, ["tags"]);
    spoil(
        "ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration={'scanOnPush': False})",
    );
    assert_eq!(set_up(&ecr, &wanted).await, ["scan"]);
    spoil("ecr.delete_lifecycle_policy(repositoryName=name)");
    assert_eq!(set_up(&ecr, &wanted).await, ["lifecycle"]);
    spoil(
        "
rule = {'rulePriority': 7, 'selection': {'tagStatus': 'any', 'countType': 'imageCountMoreThan', 'countNumber': 3},
        'action': {'type': 'expire'}}
ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({'rules': [rule]}))",
    );
    let plan = ecr.plan(&wanted).await.unwrap();
    assert!(plan.to_string().contains("in place of 1 rules"), "{plan}");
    assert_eq!(set_up(&ecr, &wanted).await, ["lifecycle"]);
    // As AWS gives a policy back: other order, one principal without a list. This is no change.
    spoil(
        "
policy = json.loads(ecr.get_repository_policy(repositoryName=name)['policyText'])
ours = policy['Statement'][0]
ours['Action'].reverse()
ours['Principal']['AWS'] = ours['Principal']['AWS'][0]
ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy, indent=2))",
    );
    assert_eq!(set_up(&ecr, &wanted).await, Vec::<String>::new());
    spoil(
        "
theirs = {'Sid': 'Lambda', 'Effect': 'Allow', 'Principal': {'Service': 'lambda.amazonaws.com'},
          'Action': ['ecr:BatchGetImage']}
wide = {'Sid': 'InfraSdkPull', 'Effect': 'Allow', 'Principal': '*', 'Action': ['ecr:*']}
policy = {'Version': '2012-10-17', 'Statement': [theirs, wide]}
ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy))",
    );
    assert_eq!(set_up(&ecr, &wanted).await, ["pull"]);
    let policy = read(&moto, "spoilt/app")["policy"].clone();
    assert_eq!((&policy[0]["Sid"], policy.as_array().map(Vec::len)), (&json!("Lambda"), Some(2)));
    assert_eq!(policy[1]["Principal"]["AWS"], json!(["arn:aws:iam::210987654321:root"]));
    // Without accounts our statement goes, and with the last statement the policy.
    let nobody = RepositorySpec { pull_accounts: Vec::new(), ..wanted };
    assert_eq!(set_up(&ecr, &nobody).await, ["pull"]);
    assert_eq!(read(&moto, "spoilt/app")["policy"][0]["Sid"], "Lambda");
    spoil("ecr.delete_repository_policy(repositoryName=name)");
    assert_eq!(set_up(&ecr, &nobody).await, Vec::<String>::new());
    assert_eq!(read(&moto, "spoilt/app")["policy"], Value::Null);
}

#[tokio::test]
async fn an_encryption_is_chosen_once_and_a_difference_is_told() {
    let moto = Moto::shared();
    let ecr = Ecr::new(aws_at(&moto.url())).unwrap();
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let keyed = |name: &str| RepositorySpec { key: Some(key.into()), ..spec(name) };
    set_up(&ecr, &keyed("keyed/app")).await;
    assert_eq!(read(&moto, "keyed/app")["encryption"], json!({ "encryptionType": "KMS", "kmsKey": key }));
    assert!(ecr.plan(&keyed("keyed/app")).await.unwrap().fixed.is_empty());
    set_up(&ecr, &spec("plain/app")).await;
    let plan = ecr.plan(&keyed("plain/app")).await.unwrap();
    assert!(plan.is_empty() && plan.fixed[0].contains("AES256"), "{plan}");
    ecr.apply(&plan).await.unwrap();
    assert_eq!(read(&moto, "plain/app")["encryption"]["encryptionType"], "AES256", "nothing was made anew");
}

const STAGING: &str = "[env.staging]\nprovider = \"aws\"\nregion = \"eu-central-1\"\nregions = [\"us-east-1\"]\n\
                       account = \"123456789012\"\n";

fn regions_of(moto: &Moto, project: &str) -> String {
    moto.python(&format!(
        "
for region in ['eu-central-1', 'us-east-1']:
    found = boto3.client('ecr', region_name=region).describe_repositories()['repositories']
    print(region, *sorted(one['repositoryName'] for one in found if one['repositoryName'].startswith('{project}/')))
"
    ))
}

#[test]
fn setup_reaches_every_region_once_and_a_dry_run_none() {
    let moto = Moto::shared();
    let shop = ImageShop::new("ecr-setup", STAGING, None).aws(&moto.url());
    let planned = shop.run("staging", &["infra:ecr:setup", "--dry-run"], 0).stdout;
    assert!(planned.contains("4 changes to make") && planned.contains("us-east-1"), "{planned}");
    assert_eq!(regions_of(&moto, "shop-api"), "eu-central-1\nus-east-1");
    assert!(shop.ledger().is_empty());
    let made = shop.json("staging", &["infra:ecr:setup"]);
    assert_eq!(
        (made["repositories"].as_array().map(Vec::len), &made["done"]),
        (Some(2), &json!(true)),
        "{made}"
    );
    assert_eq!(regions_of(&moto, "shop-api"), "eu-central-1 shop-api/app\nus-east-1 shop-api/app");
    assert_eq!(shop.ledger(), ["image.repository shop-api/app"; 2]);
    let again = shop.run("staging", &["infra:ecr:setup"], 0).stdout;
    assert!(again.contains("nothing to change"), "{again}");
    assert_eq!(shop.ledger().len(), 2, "what changes nothing is not recorded");
    moto.python(
        "client('ecr').put_image_tag_mutability(repositoryName='shop-api/app', imageTagMutability='MUTABLE')",
    );
    let keyed = STAGING.to_owned() + "[ecr]\nkms_key = \"alias/shop\"\n";
    let keyed = ImageShop::new("ecr-keyed", &keyed, None).aws(&moto.url());
    let refused = keyed.run("staging", &["infra:ecr:setup"], 7);
    refused.says(&["cannot be changed any more", "AES256", "next:"]);
    assert!(refused.stdout.contains("1 changes made"), "the rest was done: {}", refused.stdout);
}

#[test]
fn another_account_is_refused_before_anything_is_written() {
    let moto = Moto::shared();
    let settings = STAGING.replace("123456789012", "999999999999");
    let shop = ImageShop::new(
        "ecr-account",
        &settings,
        Some("[image.web]\nfiles = \"dist\"\nentrypoint = [\"server\"]\n"),
    );
    let shop = shop.aws(&moto.url());
    for task in
        [&["infra:ecr:setup"][..], &["infra:ecr:setup", "--dry-run"], &["infra:image:push", "--dry-run"]]
    {
        let refused = shop.run("staging", task, 3);
        refused.says(&["another account", "999999999999", "123456789012", "AWS_PROFILE"]);
    }
    let made = moto.python(
        "print([one['repositoryName'] for one in client('ecr').describe_repositories()['repositories']])",
    );
    assert!(!made.contains("shop-api/web"), "{made}");
}

#[test]
fn an_environment_whose_images_are_elsewhere_says_so() {
    let moto = Moto::shared();
    let shop =
        ImageShop::new("ecr-local", "[env.staging]\nregistry = \"127.0.0.1:1\"\n", None).aws(&moto.url());
    for environment in ["local", "staging"] {
        for task in [&["infra:ecr:setup"][..], &["infra:image:scan", "app:1.0.0"]] {
            shop.run(environment, task, 4).says(&["are not in ECR", "--env"]);
        }
    }
}

#[tokio::test]
async fn a_name_that_ecr_cannot_have_is_refused_before_it_is_asked() {
    let ecr = Ecr::new(aws_at("http://127.0.0.1:9")).unwrap();
    assert_eq!(ecr.plan(&spec("a")).await.unwrap_err().kind(), ErrorKind::Invalid);
}
