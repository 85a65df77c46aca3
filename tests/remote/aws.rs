//! AWS's stores against the emulator moto, read back by AWS's own client for Python.

use std::collections::BTreeSet;
use std::sync::Arc;

use infra_sdk::aws::{Aws, SecretsManagerSecrets, SsmSecrets};
use infra_sdk::secrets::{SecretChange, SecretSource, SecretStore};
use infra_sdk::{Env, ErrorKind, SecretValue};
use support::{Moto, Recorder};

use crate::secrets::{self, Kind};

/// AWS at this address, with keys that an emulator takes.
pub(crate) fn aws_at(url: &str) -> Aws {
    let vars = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    Aws::connect(&Env::of(vars, "/"), None).unwrap()
}

fn ssm(moto: &Moto, prefix: &str) -> SsmSecrets {
    SsmSecrets::new(aws_at(&moto.url()), prefix, None).unwrap()
}

fn secrets_manager(moto: &Moto, prefix: &str) -> SecretsManagerSecrets {
    SecretsManagerSecrets::new(aws_at(&moto.url()), prefix, None).unwrap()
}

/// The emulator, with every request noted.
pub(crate) fn noted(moto: &Arc<Moto>) -> Recorder {
    let moto = Arc::clone(moto);
    Recorder::start(move |request| moto.answer(request).map_err(|error| error.to_string()))
}

/// The operations since the last call, such as `PutParameter`.
pub(crate) fn operations(recorder: &Recorder) -> Vec<String> {
    let operation = |request: support::Request| {
        let target = request.header("x-amz-target").unwrap_or_default().to_owned();
        target.rsplit('.').next().unwrap_or_default().to_owned()
    };
    recorder.take().into_iter().map(operation).collect()
}

pub(crate) fn put(name: &str, value: &str) -> SecretChange {
    SecretChange::put(name.parse().unwrap(), SecretValue::new(value))
}

pub(crate) fn delete(name: &str) -> SecretChange {
    SecretChange::delete(name.parse().unwrap())
}

fn put_with(name: &str, value: &str, token: &str) -> SecretChange {
    let (name, value) = (name.parse().unwrap(), SecretValue::new(value));
    SecretChange::Put { name, value, token: Some(token.to_owned()) }
}

async fn write(store: &dyn SecretStore, changes: &[SecretChange]) -> Vec<Option<String>> {
    let written = store.write(changes).await.unwrap().complete(changes).unwrap();
    written.into_iter().map(|written| Some(written.stamp?.as_str().to_owned())).collect()
}

async fn names(store: &dyn SecretStore) -> Vec<String> {
    store.list().await.unwrap().into_iter().map(|stored| stored.name.to_string()).collect()
}

#[tokio::test]
async fn ssm_holds() {
    let moto = Moto::shared();
    secrets::holds(&ssm(&moto, "/holds/staging/"), Kind { starts_again: true, ..Kind::default() }).await;
}

#[tokio::test]
async fn ssm_gives_back() {
    let moto = Moto::shared();
    let store = ssm(&moto, "/gives/staging/");
    secrets::gives_back(&store, &store).await;
}

#[tokio::test]
async fn secrets_manager_holds() {
    let moto = Moto::shared();
    secrets::holds(&secrets_manager(&moto, "holds/staging/"), Kind::default()).await;
}

#[tokio::test]
async fn secrets_manager_gives_back() {
    let moto = Moto::shared();
    let store = secrets_manager(&moto, "gives/staging/");
    secrets::gives_back(&store, &store).await;
}

#[tokio::test]
async fn parameters_are_secure_strings_under_the_key_that_was_named() {
    let moto = Moto::shared();
    let aws = aws_at(&moto.url());
    let own = SsmSecrets::new(aws.clone(), "/keyed/own/", Some("alias/shop".into())).unwrap();
    let account = SsmSecrets::new(aws, "/keyed/account/", None).unwrap();
    write(&own, &[put("A", "one\ntwo")]).await;
    write(&account, &[put("A", "x")]).await;
    let read = moto.python(
        "
ssm = client('ssm')
for name in ['/keyed/own/A', '/keyed/account/A']:
    told = ssm.describe_parameters(ParameterFilters=[{'Key': 'Name', 'Values': [name]}])['Parameters'][0]
    value = ssm.get_parameter(Name=name, WithDecryption=True)['Parameter']
    print(told['Type'], told['KeyId'], told['Tier'], value['Version'], json.dumps(value['Value']))
",
    );
    let expected =
        "SecureString alias/shop Standard 1 \"one\\ntwo\"\nSecureString alias/aws/ssm Standard 1 \"x\"";
    assert_eq!(read, expected);
}

#[tokio::test]
async fn what_is_deeper_beside_or_not_a_secrets_name_is_nobodys_business_here() {
    let moto = Moto::shared();
    moto.python(
        "
ssm, manager = client('ssm'), client('secretsmanager')
for name in ['other/staging/deeper/A', 'other/staging/with-hyphen', 'other/stagingA', 'other/A']:
    ssm.put_parameter(Name='/' + name, Value='theirs', Type='SecureString')
    manager.create_secret(Name=name, SecretString='theirs')
manager.create_secret(Name='other/staging/GONE', SecretString='theirs')
manager.delete_secret(SecretId='other/staging/GONE')
",
    );
    let (ssm, manager) = (ssm(&moto, "/other/staging/"), secrets_manager(&moto, "other/staging/"));
    write(&ssm, &[put("A", "ours")]).await;
    write(&manager, &[put("A", "ours")]).await;
    assert_eq!((names(&ssm).await, names(&manager).await), (vec!["A".into()], vec!["A".into()]));
    assert_eq!(ssm.get_all().await.unwrap().len(), 1);
    assert_eq!(manager.get_all().await.unwrap().len(), 1);
    assert_eq!(manager.get(&"GONE".parse().unwrap()).await.unwrap(), None);
    write(&ssm, &[delete("A")]).await;
    write(&manager, &[delete("A")]).await;
    let left = moto.python(
        "
print(len(client('ssm').get_parameters_by_path(Path='/other', Recursive=True)['Parameters']))
print(len(client('secretsmanager').list_secrets(Filters=[{'Key': 'name', 'Values': ['other/']}])['SecretList']))
",
    );
    assert_eq!(left, "4\n4");
}

#[tokio::test]
async fn secrets_manager_goes_back_to_an_earlier_value() {
    let moto = Moto::shared();
    let store = secrets_manager(&moto, "back/staging/");
    let tokens = ["a", "b", "c"].map(|digit| digit.repeat(32));
    let mut stamps = Vec::new();
    for (value, token) in ["A", "B", "A"].iter().zip(&tokens) {
        stamps.extend(write(&store, &[put_with("KEY", value, token)]).await);
        assert_eq!(store.list().await.unwrap()[0].stamp.as_ref().unwrap().as_str(), token);
    }
    assert_eq!(stamps, tokens.clone().map(Some), "versions are named by the caller");
    assert_eq!(store.get(&"KEY".parse().unwrap()).await.unwrap().unwrap().expose(), "A");
    // The last write made again is the same version; an older one made again would do nothing, and says so.
    assert_eq!(write(&store, &[put_with("KEY", "A", &tokens[2])]).await, [Some(tokens[2].clone())]);
    let error = store.write(&[put_with("KEY", "B", &tokens[1])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.get(&"KEY".parse().unwrap()).await.unwrap().unwrap().expose(), "A");
    let stages = moto.python(
        "
told = client('secretsmanager').describe_secret(SecretId='back/staging/KEY')['VersionIdsToStages']
print(*sorted(stage + ' ' + version[0] for version, stages in told.items() for stage in stages))
",
    );
    assert_eq!(stages, "AWSCURRENT c AWSPREVIOUS b");
}

#[tokio::test]
async fn a_deleted_secret_can_be_recovered_and_a_put_recovers_it() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let store = SecretsManagerSecrets::new(aws_at(&recorder.url()), "gone/staging/", None).unwrap();
    write(&store, &[put("A", "1")]).await;
    assert_eq!(operations(&recorder), ["PutSecretValue", "CreateSecret"], "before a look nothing is known");
    write(&store, &[delete("A")]).await;
    let days = moto.python(
        "
told = client('secretsmanager').describe_secret(SecretId='gone/staging/A')
print(round((told['DeletedDate'] - told['CreatedDate']).total_seconds() / 86400))
",
    );
    assert_eq!(days, "30");
    write(&store, &[delete("A")]).await;
    operations(&recorder);
    write(&store, &[put("A", "2")]).await;
    assert_eq!(operations(&recorder), ["RestoreSecret", "PutSecretValue"]);
    write(&store, &[delete("A")]).await;
    let store = SecretsManagerSecrets::new(aws_at(&recorder.url()), "gone/staging/", None).unwrap();
    assert_eq!(names(&store).await, Vec::<String>::new());
    operations(&recorder);
    write(&store, &[put("A", "3")]).await;
    assert_eq!(operations(&recorder), ["RestoreSecret", "PutSecretValue"], "the look told");
    assert_eq!(store.get(&"A".parse().unwrap()).await.unwrap().unwrap().expose(), "3");
}

#[tokio::test]
async fn a_secret_that_somebody_else_made_since_the_look_is_written_all_the_same() {
    let moto = Moto::shared();
    let (store, other) = (secrets_manager(&moto, "race/"), secrets_manager(&moto, "race/"));
    assert_eq!(names(&store).await, Vec::<String>::new());
    write(&other, &[put("A", "theirs")]).await;
    write(&store, &[put("A", "ours")]).await;
    assert_eq!(other.get(&"A".parse().unwrap()).await.unwrap().unwrap().expose(), "ours");
}

#[tokio::test]
async fn a_secret_of_bytes_is_an_error_that_names_it() {
    let moto = Moto::shared();
    moto.python("client('secretsmanager').create_secret(Name='bytes/RAW', SecretBinary=b'canary')");
    let store = secrets_manager(&moto, "bytes/");
    assert_eq!(names(&store).await, ["RAW"]);
    let alone = store.get(&"RAW".parse().unwrap()).await.unwrap_err();
    for error in [alone, store.get_all().await.unwrap_err()] {
        let shown = format!("{error:?}");
        assert!(shown.contains("RAW") && !shown.contains("canary"), "{shown}");
    }
}

/// Nearly a hundred secrets, three of them changed or new, one removed. A hundred would end on a page's end, and the
/// emulator then sends an empty page more.
#[tokio::test]
async fn a_sync_of_a_few_among_many_makes_as_few_requests_as_the_service_allows() {
    let moto = Moto::shared();
    let all: Vec<SecretChange> = (0..98).map(|number| put(&format!("N{number:02}"), "x")).collect();
    let few = [put("N00", "2"), put("N01", "2"), put("NEW", "2"), delete("N97")];
    for service in ["ssm", "secrets-manager"] {
        let recorder = noted(&moto);
        let aws = aws_at(&recorder.url());
        let store: Box<dyn SecretStore> = match service {
            "ssm" => Box::new(SsmSecrets::new(aws, "/few/staging/", None).unwrap()),
            _ => Box::new(SecretsManagerSecrets::new(aws, "few/staging/", None).unwrap()),
        };
        write(&*store, &all).await;
        operations(&recorder);
        assert_eq!(store.list().await.unwrap().len(), 98);
        let costs = store.costs();
        assert_eq!(operations(&recorder).len(), 98_usize.div_ceil(costs.page));
        let stamps = write(&*store, &few).await;
        assert_eq!(
            stamps.iter().flatten().collect::<BTreeSet<_>>().len(),
            if service == "ssm" { 2 } else { 3 }
        );
        assert_eq!(operations(&recorder).len(), 4, "{service}");
    }
}

#[tokio::test]
async fn reads_and_deletes_go_in_batches() {
    let moto = Moto::shared();
    let recorder = noted(&moto);
    let store = SsmSecrets::new(aws_at(&recorder.url()), "/batch/staging/", None).unwrap();
    let changes: Vec<SecretChange> =
        (0..25).map(|number| put(&format!("N{number:02}"), &format!("v{number}"))).collect();
    write(&store, &changes).await;
    operations(&recorder);
    let mut names: Vec<_> = changes.iter().map(|change| change.name().clone()).collect();
    names.push("MISSING".parse().unwrap());
    let values = store.get_each(&names).await.unwrap();
    assert_eq!(values.len(), 25);
    let number = |text: &str| text[1..].parse::<u32>().unwrap();
    assert!(values.iter().all(|(name, value)| number(name.as_str()) == number(value.expose())));
    assert_eq!(operations(&recorder), ["GetParameters"; 3]);
    let deletes: Vec<SecretChange> = names.into_iter().map(SecretChange::delete).collect();
    assert_eq!(write(&store, &deletes).await.len(), 26);
    assert_eq!(operations(&recorder), ["DeleteParameters"; 3]);
    let manager = SecretsManagerSecrets::new(aws_at(&recorder.url()), "batch/staging/", None).unwrap();
    write(&manager, &changes).await;
    operations(&recorder);
    assert_eq!(manager.get_all().await.unwrap().len(), 25);
    assert_eq!(operations(&recorder), ["ListSecrets", "BatchGetSecretValue", "BatchGetSecretValue"]);
}
