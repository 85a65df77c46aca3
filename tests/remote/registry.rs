//! Images in Docker's registry, with skopeo as a client of the same.

use std::sync::Arc;

use infra_sdk::images::{self, BuiltImage, ImageRegistry, Layout, Platform, Reference, TransferOptions};
use infra_sdk::registry::{DockerConfig, Login, OciRegistry};
use infra_sdk::retry::Retry;
use infra_sdk::{Env, ErrorKind, SecretValue};
use support::{DockerRegistry, Finished, PASSWORD, Run, Scratch, USER};

use crate::registry_images::{image, index, open, quick};

fn skopeo(scratch: &Scratch, args: &[&str]) -> Finished {
    // Its own notes about registries are not this machine's.
    let policy = scratch.write("policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    Run::new("skopeo", scratch.path())
        .args(["--policy", policy.to_str().unwrap()])
        .args(args)
        .env("HOME", scratch.path())
        .finish()
        .expect(0)
}

#[tokio::test]
async fn docker_registry_keeps_the_contract() {
    let docker = DockerRegistry::start();
    crate::images::holds(&open(&docker.place())).await;
    crate::images::holds(&open(&format!("{}/acme/staging", docker.place()))).await;
    // Every blob larger than a kilobyte goes in pieces.
    crate::images::holds(&open(&docker.place()).pieces(1000, 1 << 20)).await;
}

#[tokio::test]
async fn docker_registry_tells_who_may_not_come() {
    let docker = DockerRegistry::guarded();
    let scratch = Scratch::new("guarded");
    let image = image(&scratch, 1000).await;
    for wrong in [
        open(&docker.place()),
        OciRegistry::new(&docker.place(), Arc::new(Login::new(USER, SecretValue::new("canary-wrong"))))
            .unwrap(),
    ] {
        let error = images::push(&wrong, &image, &[]).await.unwrap_err();
        let told = format!("{error:?} {error:#} {wrong:?}");
        assert!(error.kind() == ErrorKind::Denied && told.contains("docker login"), "{told}");
        assert!(!told.contains("canary") && !told.contains("Y2FuYXJ5"), "{told}");
    }
    let login = Login::new(USER, SecretValue::new(PASSWORD));
    crate::images::holds(&OciRegistry::new(&docker.place(), Arc::new(login)).unwrap()).await;

    // As `docker login` notes it.
    let auth = "Y2k6Y2FuYXJ5LXBhc3N3b3Jk";
    let config = format!(r#"{{"auths": {{"http://{}/v1/": {{"auth": "{auth}"}}}}}}"#, docker.place());
    scratch.write("docker/config.json", config);
    let env = Env::of([("DOCKER_CONFIG", scratch.join("docker"))], "/");
    let noted = Arc::new(DockerConfig::find(&env, &docker.place()));
    let registry = OciRegistry::new(&docker.place(), noted).unwrap();
    let report = images::push(&registry, &image, &["v1".parse().unwrap()]).await.unwrap();
    assert_eq!((report.uploaded, &report.digest), (2, image.digest()));
}

#[tokio::test]
async fn skopeo_reads_what_was_pushed() {
    let (docker, scratch) = (DockerRegistry::start(), Scratch::new("skopeo"));
    let registry = open(&docker.place());
    for (name, image) in [("one", image(&scratch, 100_000).await), ("many", index(&scratch).await)] {
        let tag = name.parse().unwrap();
        images::push(&registry, &image, &[tag]).await.unwrap();
        let address = format!("docker://{}:{name}", registry.address(&image.name));
        let digest = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &address];
        assert_eq!(skopeo(&scratch, &digest).stdout.trim(), image.digest().as_str());
        let layout = scratch.join(format!("copy-{name}"));
        let copied = format!("oci:{}:v1", layout.display());
        skopeo(&scratch, &["copy", "--all", "--src-tls-verify=false", &address, &copied]);
        let read = BuiltImage::open(image.name.clone(), Layout::at(layout)).unwrap();
        assert_eq!((read.digest(), read.size()), (image.digest(), image.size()));
        assert_eq!(read.platforms().collect::<Vec<_>>(), image.platforms().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_skopeo_pushed_is_pulled() {
    let (docker, scratch) = (DockerRegistry::start(), Scratch::new("skopeo"));
    let registry = open(&docker.place());
    for (name, image) in [("one", image(&scratch, 100_000).await), ("many", index(&scratch).await)] {
        let address = format!("docker://{}:{name}", registry.address(&image.name));
        let built = format!("oci:{}", image.layout.folder().display());
        skopeo(&scratch, &["copy", "--all", "--dest-tls-verify=false", &built, &address]);
        let at = Reference::Tag(name.parse().unwrap());
        assert_eq!(registry.head_manifest(&image.name, &at).await.unwrap().as_ref(), Some(image.digest()));
        let platforms = images::platforms(&registry, &image.name, image.digest()).await.unwrap();
        for platform in platforms {
            let into = scratch.join(format!("{name}-{}", platform.architecture));
            let pulled =
                images::pull_for(&registry, &image.name, image.digest(), &platform, &into).await.unwrap();
            assert_eq!(pulled.info.platform, platform);
            let program = std::fs::read_to_string(pulled.program().unwrap()).unwrap();
            let expected = if image.is_index() { platform.architecture.as_str() } else { "dist" };
            assert!(program.contains(expected), "{program}");
        }
    }
    let windows = Platform { os: "windows".into(), architecture: "amd64".into() };
    let (index, into) = (index(&scratch).await, scratch.join("windows"));
    let error = images::pull_for(&registry, &index.name, index.digest(), &windows, &into).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.hints()[0].contains("linux/arm64"), "{error:?}");
}

#[tokio::test]
async fn an_image_is_promoted_by_its_digest_from_one_docker_registry_to_another() {
    let (one, two, scratch) = (DockerRegistry::start(), DockerRegistry::start(), Scratch::new("promote"));
    let staging = open(&format!("{}/staging", one.place()));
    let image = index(&scratch).await;
    images::push(&staging, &image, &["build-7".parse().unwrap()]).await.unwrap();
    let tags = ["1.0.0".parse().unwrap()];

    // Within one registry nothing is sent, into another each blob once.
    for (production, mounted) in [(open(&format!("{}/production", one.place())), 4), (open(&two.place()), 0)]
    {
        let plan =
            images::plan_copy(&staging, &production, &image.name, image.digest(), &tags).await.unwrap();
        assert_eq!((plan.blobs.len(), plan.platforms.len(), plan.manifest), (4, 2, true));
        assert!(production.tags(&image.name).await.unwrap().is_empty(), "a plan writes nothing");
        let mut options = TransferOptions::new();
        options.scratch = scratch.path().to_owned();
        let report = plan.apply(&staging, &production, &options).await.unwrap();
        assert_eq!((report.mounted, report.sent, &report.digest), (mounted, 4 - mounted, image.digest()));
        let found = production.head_manifest(&image.name, &Reference::Tag(tags[0].clone())).await.unwrap();
        assert_eq!(found.as_ref(), Some(image.digest()));
        let into = scratch.join(format!("pulled-{mounted}"));
        let arm = Platform::linux("arm64");
        images::pull_for(&production, &image.name, image.digest(), &arm, &into).await.unwrap();
        let again =
            images::plan_copy(&staging, &production, &image.name, image.digest(), &tags).await.unwrap();
        assert!(again.is_empty(), "{again}");
    }
    let left = std::fs::read_dir(scratch.path()).unwrap().flatten();
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("blob-")));
    let absent = infra_sdk::Digest::of(b"never pushed");
    let error =
        images::plan_copy(&staging, &open(&two.place()), &image.name, &absent, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn docker_registry_is_only_asked_about_an_unchanged_image() {
    let (docker, scratch) = (DockerRegistry::start(), Scratch::new("unchanged"));
    let (image, registry) = (image(&scratch, 5_000_000).await, open(&docker.place()));
    let tags = ["v1".parse().unwrap()];
    images::push(&registry, &image, &tags).await.unwrap();
    let first = docker.requests().len();
    let report = images::push(&registry, &image, &tags).await.unwrap();
    let again = docker.requests().split_off(first);
    assert_eq!((report.uploaded, report.skipped), (0, 2));
    assert!(again.len() == 4 && again.iter().all(|request| request.starts_with("HEAD ")), "{again:?}");
}

#[tokio::test]
async fn docker_registry_gets_a_blob_whole_though_connections_break() {
    let (docker, scratch) = (DockerRegistry::start(), Scratch::new("broken"));
    let image = image(&scratch, 3_000_000).await;
    let between = crate::registry_faults::Breaking::before(&docker.place(), 1_000_000);
    // The registry takes a moment to let go of an upload whose connection broke.
    let patient = Retry { first: std::time::Duration::from_millis(100), ..quick() };
    let registry = open(&between.place()).pieces(1_000_000, 500_000).retry(patient);
    let report = images::push(&registry, &image, &[]).await.unwrap();
    assert!(between.breaks() > 0 && report.uploaded == 2, "{report}");
    let pulled = images::pull(&open(&docker.place()), &image.name, image.digest(), &scratch.join("x")).await;
    assert_eq!(pulled.unwrap().info.digest, *image.digest());
}
