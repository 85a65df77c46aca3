//! What moto cannot do of ECR, in a script: tokens, scans, refusals, and a registry behind them that is strict.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use infra_sdk::aws::{Aws, Ecr, EcrRegistry};
use infra_sdk::images::{
    self, BlobSource, BuiltImage, ImageRegistry, ImageScanner, ImageSpec, Reference, Repositories,
    RepositorySpec, ScanWait, Severity,
};
use infra_sdk::names::ImageName;
use infra_sdk::{Digest, Error, ErrorKind};
use serde_json::{Value, json};
use support::registry::{Guard, Registry, Rules};
use support::{Answer, AwsFake, Recorder, Scratch, Step};

use crate::aws::aws_at;

/// `base64(AWS:PASSWORD)` by boto3's hand.
fn token(password: &str, registry: &Registry, expires: u64) -> Value {
    let token = support::base64(&format!("AWS:{password}"));
    json!({ "authorizationData": [{
        "authorizationToken": token,
        "expiresAt": expires,
        "proxyEndpoint": format!("http://{}", registry.place()),
    }] })
}

/// Seconds since 1970, `from_now` ahead.
fn seconds(from_now: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() + from_now
}

const HOURS: u64 = 12 * 3600;

fn guarded(passwords: &[&str]) -> Registry {
    let passwords = passwords.iter().map(|password| format!("canary-{password}")).collect();
    Registry::start(Rules { guard: Guard::Basic("AWS".into(), passwords), ..Rules::default() })
}

fn name() -> ImageName {
    "shop-api/app".parse().unwrap()
}

async fn image(scratch: &Scratch) -> BuiltImage {
    let server = scratch.write("dist/server", "#!/bin/sh\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&server, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    drop(server);
    images::build(&ImageSpec::new(name(), scratch.join("dist"), ["server"]), &scratch.join("out"))
        .await
        .unwrap()
}

fn registry_at(fake: &str) -> EcrRegistry {
    EcrRegistry::new(Ecr::new(aws_at(fake)).unwrap())
}

#[tokio::test]
async fn one_token_is_enough_for_a_whole_push() {
    let (scratch, behind) = (Scratch::new("ecr-token"), guarded(&["one"]));
    let told = token("canary-one", &behind, seconds(HOURS));
    let fake = AwsFake::start([Step::ok("GetAuthorizationToken", told).in_region("eu-central-1")]);
    let registry = registry_at(&fake.url());
    let image = image(&scratch).await;
    let pushed = images::push(&registry, &image, &["1.0.0".parse().unwrap()]).await.unwrap();
    assert_eq!(&pushed.digest, image.digest());
    assert_eq!(behind.tag("shop-api/app", "1.0.0").as_deref(), Some(image.digest().as_str()));
    assert_eq!(registry.tags(&name()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_that_the_registry_no_longer_takes_is_asked_for_again() {
    let (scratch, behind) = (Scratch::new("ecr-refresh"), guarded(&["one"]));
    let fake = AwsFake::start(["one", "two"].map(|password| {
        Step::ok("GetAuthorizationToken", token(&format!("canary-{password}"), &behind, seconds(HOURS)))
    }));
    let registry = registry_at(&fake.url());
    let image = image(&scratch).await;
    registry.tags(&name()).await.unwrap();
    assert_eq!(fake.left(), 1);
    behind.rules(|rules| rules.guard = Guard::Basic("AWS".into(), vec!["canary-two".into()]));
    registry.tags(&name()).await.unwrap();
    images::push(&registry, &image, &["1.0.0".parse().unwrap()]).await.unwrap();
}

/// Answers every request for a token with the same one, and counts them.
fn always(told: Value) -> (Recorder, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let recorder = Recorder::start(move |request| {
        let target = request.header("x-amz-target").unwrap_or_default();
        if !target.ends_with(".GetAuthorizationToken") {
            return Err(target.to_owned());
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Answer::json(200, &told))
    });
    (recorder, count)
}

#[tokio::test]
async fn a_token_that_is_refused_again_and_again_ends_in_an_error() {
    let behind = guarded(&["right"]);
    let (recorder, asked) = always(token("canary-wrong", &behind, seconds(HOURS)));
    let error = registry_at(&recorder.url()).tags(&name()).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    leads_to_aws(&error);
    assert!(asked.load(Ordering::SeqCst) <= 3, "{asked:?}");
}

/// Docker's notes are not read for ECR: what helps is done with AWS.
fn leads_to_aws(error: &Error) {
    let shown = error.report().to_string();
    assert_eq!(error.kind(), ErrorKind::Denied, "{shown}");
    assert!(!shown.contains("docker login"), "{shown}");
    for part in ["aws sso login", "ecr:BatchGetImage", "ecr:PutImage", "clock"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[tokio::test]
async fn whoever_may_not_read_or_write_in_ecr_is_led_to_aws() {
    let (scratch, behind) = (Scratch::new("ecr-denied"), guarded(&["one"]));
    let (recorder, _) = always(token("canary-one", &behind, seconds(HOURS)));
    let (registry, image) = (registry_at(&recorder.url()), image(&scratch).await);
    let exact = Reference::Digest(image.digest().clone());
    registry.tags(&name()).await.unwrap();
    for guard in
        [Guard::Nobody, Guard::Basic("AWS".into(), Vec::new()), Guard::Bearer("AWS".into(), "x".into(), 9)]
    {
        behind.rules(|rules| rules.guard = guard);
        leads_to_aws(&registry.tags(&name()).await.unwrap_err());
        leads_to_aws(&registry.head_manifest(&name(), &exact).await.unwrap_err());
        leads_to_aws(&registry.has_blob(&name(), image.digest()).await.unwrap_err());
        let blob = registry.put_blob(&name(), &Digest::of(b"x"), BlobSource::Bytes(b"x")).await;
        leads_to_aws(&blob.unwrap_err());
        let manifest = registry.put_manifest(&name(), b"{}", images::oci::MANIFEST, None).await;
        leads_to_aws(&manifest.unwrap_err());
    }
}

#[tokio::test]
async fn a_token_that_is_old_when_it_comes_is_used_and_not_kept() {
    let behind = guarded(&["old"]);
    // As moto's, which expired in 2015.
    let (recorder, asked) = always(token("canary-old", &behind, 1_420_070_400));
    let registry = registry_at(&recorder.url());
    registry.tags(&name()).await.unwrap();
    let first = asked.swap(0, Ordering::SeqCst);
    registry.tags(&name()).await.unwrap();
    let second = asked.load(Ordering::SeqCst);
    assert!((1..=3).contains(&first) && (1..=2).contains(&second), "{first} {second}");
}

#[tokio::test]
async fn a_token_for_a_registry_elsewhere_is_sent_nowhere() {
    let behind = guarded(&["one"]);
    let mut told = token("canary-one", &behind, seconds(HOURS));
    told["authorizationData"][0]["proxyEndpoint"] = json!("https://registry.evil.example");
    let fake = AwsFake::start([Step::ok("GetAuthorizationToken", told)]);
    let error = registry_at(&fake.url()).tags(&name()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        !format!("{error:?}").contains("canary") && error.to_string().contains("evil.example"),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_not_allowed_names_the_action() {
    let message = |action: &str| {
        format!(
            "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: {action} on \
        resource: * because no identity-based policy allows the {action} action"
        )
    };
    let denied =
        |operation, action: &str| Step::refused(operation, "AccessDeniedException", &message(action));
    let fake = AwsFake::start([
        denied("GetAuthorizationToken", "ecr:GetAuthorizationToken"),
        denied("DescribeRepositories", "ecr:DescribeRepositories"),
        Step::refused("DescribeRepositories", "RepositoryNotFoundException", "none"),
        denied("CreateRepository", "ecr:CreateRepository").with(json!({ "imageTagMutability": "IMMUTABLE" })),
        denied("DescribeImageScanFindings", "ecr:DescribeImageScanFindings"),
    ]);
    let ecr = Ecr::new(aws_at(&fake.url())).unwrap();
    let token = registry_at(&fake.url()).tags(&name()).await.unwrap_err();
    let look = ecr.plan(&spec()).await.unwrap_err();
    let plan = ecr.plan(&spec()).await.unwrap();
    let create = ecr.apply(&plan).await.unwrap_err();
    let scan = ecr.look(&name(), &Digest::of(b"x")).await.unwrap_err();
    for (error, action) in [
        (token, "ecr:GetAuthorizationToken"),
        (look, "ecr:DescribeRepositories"),
        (create, "ecr:CreateRepository"),
        (scan, "ecr:DescribeImageScanFindings"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        let shown = error.report().to_string();
        assert!(shown.contains(&format!("permission: {action}")), "{shown}");
        assert!(shown.contains("request: request-1") && shown.contains("next:"), "{shown}");
    }
}

fn spec() -> RepositorySpec {
    RepositorySpec { name: name(), keep: 10, keep_untagged: 1, pull_accounts: Vec::new(), key: None }
}

#[tokio::test]
async fn a_service_that_is_busy_or_down_for_a_moment_is_asked_again() {
    let fake = AwsFake::start([
        Step::refused("DescribeRepositories", "ThrottlingException", "slow down"),
        Step::answer("DescribeRepositories", Answer::Whole(503, Vec::new(), String::new())),
        Step::refused("DescribeRepositories", "RepositoryNotFoundException", "none"),
        // The answer to the first attempt is lost; the second finds what that one made.
        Step::answer(
            "CreateRepository",
            Answer::Half(200, "{\"repository\": {\"repositoryName\": \"x\"}}".into()),
        ),
        Step::refused("CreateRepository", "RepositoryAlreadyExistsException", "it is there"),
        Step::ok("PutLifecyclePolicy", json!({})).check(|body| {
            let text = body["lifecyclePolicyText"].as_str().unwrap_or_default();
            if text.contains("sinceImagePushed") { Ok(()) } else { Err(text.to_owned()) }
        }),
    ]);
    let ecr = Ecr::new(aws_at(&fake.url())).unwrap();
    let plan = ecr.plan(&spec()).await.unwrap();
    ecr.apply(&plan).await.unwrap();
}

#[tokio::test]
async fn a_repository_that_somebody_else_made_meanwhile_is_a_conflict() {
    let fake = AwsFake::start([
        Step::refused("DescribeRepositories", "RepositoryNotFoundException", "none"),
        Step::refused("CreateRepository", "RepositoryAlreadyExistsException", "it is there"),
    ]);
    let ecr = Ecr::new(aws_at(&fake.url())).unwrap();
    let plan = ecr.plan(&spec()).await.unwrap();
    let error = ecr.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.report().to_string().contains("run this again"), "{error:?}");
}

#[tokio::test]
async fn the_images_of_another_account_are_not_written_to() {
    let (scratch, behind) = (Scratch::new("ecr-account"), guarded(&["one"]));
    let fake =
        AwsFake::start([Step::ok("GetAuthorizationToken", token("canary-one", &behind, seconds(HOURS)))]);
    let aws: Aws = aws_at(&fake.url()).for_account("999999999999").unwrap();
    let registry = EcrRegistry::new(Ecr::new(aws).unwrap());
    let image = image(&scratch).await;
    let error = images::push(&registry, &image, &["1.0.0".parse().unwrap()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(error.report().to_string().contains("another account"), "{error:?}");
    let written = behind.take().into_iter().filter(|asked| !["GET", "HEAD"].contains(&asked.method.as_str()));
    assert_eq!(written.count(), 0);
}

fn findings(status: &str, found: Value) -> Step {
    Step::ok(
        "DescribeImageScanFindings",
        json!({ "imageScanStatus": { "status": status, "description": "as told" }, "imageScanFindings": found }),
    )
}

fn high() -> Value {
    json!({
        "findingSeverityCounts": { "HIGH": 1, "LOW": 2 },
        "findings": [{
            "name": "CVE-2024-3094", "severity": "HIGH", "uri": "https://cve.example/CVE-2024-3094",
            "attributes": [{ "key": "package_name", "value": "xz" }, { "key": "package_version", "value": "5.6.0" }],
        }],
    })
}

const SOON: ScanWait = ScanWait { limit: Duration::from_secs(60), pause: Duration::from_millis(1) };

async fn scanned(script: Vec<Step>) -> Result<(images::Findings, Vec<String>), Error> {
    let fake = AwsFake::start(script);
    let ecr = Ecr::new(aws_at(&fake.url())).unwrap();
    images::scan(&ecr, &name(), &Digest::of(b"manifest"), SOON).await
}

fn absent() -> Step {
    Step::refused("DescribeImageScanFindings", "ScanNotFoundException", "none")
}

#[tokio::test]
async fn a_scan_is_started_waited_for_and_read_to_its_last_page() {
    let digest = Digest::of(b"manifest").to_string();
    let exact = json!({ "imageDigest": digest });
    let mut first =
        json!({ "imageScanStatus": { "status": "COMPLETE" }, "imageScanFindings": high(), "nextToken": "2" });
    first["imageScanFindings"]["findings"][0]["name"] = json!("CVE-2024-0001");
    let (found, notes) = scanned(vec![
        absent().with(json!({ "imageId": exact, "repositoryName": "shop-api/app" })),
        Step::ok("StartImageScan", json!({})).with(json!({ "imageId": exact })),
        absent(),
        findings("IN_PROGRESS", Value::Null),
        Step::ok("DescribeImageScanFindings", first),
        findings("COMPLETE", high()).with(json!({ "nextToken": "2" })),
    ])
    .await
    .unwrap();
    assert_eq!((found.at_least(Severity::High), found.at_least(Severity::Low), notes.len()), (2, 4, 0));
    assert_eq!(found.findings[1].package.as_deref(), Some("xz 5.6.0"));
    assert_eq!(found.findings[1].url.as_deref(), Some("https://cve.example/CVE-2024-3094"));
}

#[tokio::test]
async fn a_scan_of_today_counts_when_no_other_can_be_started() {
    let limit = || Step::refused("StartImageScan", "LimitExceededException", "once a day");
    let (found, notes) = scanned(vec![absent(), limit(), findings("COMPLETE", high())]).await.unwrap();
    assert_eq!((found.at_least(Severity::High), notes.len()), (1, 1));
    let failed = || findings("FAILED", Value::Null);
    assert_eq!(scanned(vec![failed(), limit(), failed()]).await.unwrap_err().kind(), ErrorKind::Failed);
}

#[tokio::test]
async fn an_image_that_cannot_be_scanned_does_not_pass() {
    let unsupported = Step::refused("StartImageScan", "UnsupportedImageTypeException", "");
    let done = json!({ "imageScanStatus": { "status": "COMPLETE" } });
    let silent = || Step::ok("DescribeImageScanFindings", done.clone());
    for script in [
        vec![findings("UNSUPPORTED_IMAGE", Value::Null)],
        // Done, it says, and tells nothing, not even an empty list.
        vec![silent(), Step::ok("StartImageScan", json!({})), silent()],
        vec![findings("SCAN_ELIGIBILITY_EXPIRED", Value::Null)],
        vec![absent(), unsupported],
        vec![
            findings("FAILED", Value::Null),
            Step::ok("StartImageScan", json!({})),
            findings("FAILED", Value::Null),
        ],
    ] {
        let error = scanned(script).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
        assert!(error.to_string().contains("does not pass") && !error.hints().is_empty());
    }
}

#[tokio::test]
async fn a_registry_that_scans_by_itself_is_waited_for_and_its_words_are_understood() {
    let enhanced = json!({
        "findingSeverityCounts": { "CRITICAL": 1, "UNTRIAGED": 1, "UNDEFINED": 1 },
        "enhancedFindings": [
            { "severity": "CRITICAL", "status": "ACTIVE", "title": "x", "packageVulnerabilityDetails": {
                "vulnerabilityId": "CVE-2024-0002", "sourceUrl": "https://cve.example/2",
                "vulnerablePackages": [{ "name": "openssl", "version": "3.0.1", "fixedInVersion": "3.0.2" }] } },
            { "severity": "HIGH", "status": "SUPPRESSED", "title": "accepted" },
        ],
    });
    let by_itself = Step::refused("StartImageScan", "ValidationException", "This feature is disabled");
    let script = vec![absent(), by_itself, findings("PENDING", Value::Null), findings("ACTIVE", enhanced)];
    let (found, _) = scanned(script).await.unwrap();
    assert_eq!(found.counts.get(&Severity::Undefined), Some(&2));
    assert_eq!((found.at_least(Severity::High), found.findings.len()), (1, 1));
    let shown = found.findings[0].to_string();
    assert!(shown.contains("CVE-2024-0002 in openssl 3.0.1, corrected in 3.0.2"), "{shown}");
}

#[tokio::test]
async fn an_image_that_is_not_there_cannot_be_scanned() {
    let gone = Step::refused("DescribeImageScanFindings", "ImageNotFoundException", "");
    let error = scanned(vec![gone]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hints()[0].contains("push the image"), "{error:?}");
}
