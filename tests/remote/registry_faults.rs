//! A registry that misbehaves: nothing is lost, nothing is tagged that should not be, and the error says what to do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use infra_sdk::images::{self, BlobSource, ImageRegistry, Reference, TransferOptions, oci};
use infra_sdk::registry::{Login, OciRegistry};
use infra_sdk::{Digest, ErrorKind, SecretValue};
use support::Scratch;
use support::registry::{Asked, Guard, Registry, Rules, Website};

use crate::registry_images::{image, index, open, quick};

fn methods(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.method.as_str()).collect()
}

#[tokio::test]
async fn every_kind_of_registry_keeps_the_contract() {
    for rules in [
        Rules::default(),
        Rules { relative_locations: true, page: Some(2), ..Rules::default() },
        Rules { never_mounts: true, redirects_blobs: true, ..Rules::default() },
    ] {
        let registry = Registry::start(rules);
        crate::images::holds(&open(&registry.place())).await;
        crate::images::holds(&open(&format!("{}/acme", registry.place())).pieces(10, 1 << 20)).await;
    }
}

#[tokio::test]
async fn pushing_an_unchanged_image_only_asks() {
    let (registry, scratch) = (Registry::start(Rules::default()), Scratch::new("unchanged"));
    let client = open(&registry.place());
    let tags = ["v1".parse().unwrap(), "live".parse().unwrap()];
    for image in [image(&scratch, 100_000).await, index(&scratch).await] {
        images::push(&client, &image, &tags).await.unwrap();
        registry.take();
        let report = images::push(&client, &image, &tags).await.unwrap();
        assert_eq!((report.uploaded, report.mounted, report.tags.len()), (0, 0, 2));
        let asked = registry.take();
        assert!(!asked.is_empty() && methods(&asked).iter().all(|method| *method == "HEAD"), "{asked:?}");
    }
}

#[tokio::test]
async fn progress_tells_of_every_blob_to_its_end() {
    let (registry, scratch) = (Registry::start(Rules::default()), Scratch::new("progress"));
    let image = image(&scratch, 500_000).await;
    let client = open(&registry.place()).pieces(200_000, 100_000);
    let seen: Arc<Mutex<Vec<images::Progress>>> = Arc::default();
    let noted = seen.clone();
    let options =
        TransferOptions::new().on_progress(move |progress| noted.lock().unwrap().push(progress.clone()));
    let plan = images::plan_push(&client, &image, &[]).await.unwrap();
    plan.apply(&client, &image, &options).await.unwrap();
    let seen = seen.lock().unwrap();
    for blob in &plan.upload {
        let of_blob: Vec<_> = seen.iter().filter(|progress| progress.blob == blob.digest).collect();
        assert!(of_blob.iter().all(|progress| progress.size == blob.size && progress.done <= blob.size));
        assert!(of_blob.windows(2).all(|pair| pair[0].done <= pair[1].done));
        assert_eq!(of_blob.last().unwrap().done, blob.size);
    }
}

#[tokio::test]
async fn blobs_are_mounted_from_other_images_where_that_can_be() {
    let scratch = Scratch::new("mount");
    let image = image(&scratch, 100_000).await;
    for never_mounts in [false, true] {
        let registry = Registry::start(Rules { never_mounts, ..Rules::default() });
        let (base, client) = (open(&format!("{}/base", registry.place())), open(&registry.place()));
        images::push(&base, &image, &[]).await.unwrap();
        registry.take();
        let options = TransferOptions::new().mount_from(base.address(&image.name));
        let plan = images::plan_push(&client, &image, &[]).await.unwrap();
        let report = plan.apply(&client, &image, &options).await.unwrap();
        let asked = registry.take();
        let count = |method: &str| asked.iter().filter(|asked| asked.method == method).count();
        if never_mounts {
            // What was begun in vain is what the blob goes into: no second POST.
            assert_eq!((report.mounted, report.uploaded, count("POST"), count("PUT")), (0, 2, 2, 3));
        } else {
            assert_eq!((report.mounted, report.uploaded, count("POST"), count("PUT")), (2, 0, 2, 1));
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_blob_is_made_again() {
    let scratch = Scratch::new("cut");
    let image = image(&scratch, 400_000).await;
    let tag = ["v1".parse().unwrap()];
    let registry = Registry::start(Rules { cut_uploads: vec![150_000], ..Rules::default() });
    let client = open(&registry.place());
    images::push(&client, &image, &tag).await.unwrap();
    assert_eq!(registry.tag("shop-api/app", "v1").as_deref(), Some(image.digest().as_str()));

    let registry = Registry::start(Rules { cut_uploads: vec![1000; 20], ..Rules::default() });
    let error = images::push(&open(&registry.place()), &image, &tag).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    assert!(
        format!("{error:?}").contains("attempts: 3") && format!("{error:?}").contains("next: "),
        "{error:?}"
    );
    assert_eq!(registry.tag("shop-api/app", "v1"), None);
    assert!(
        registry.take().iter().all(|asked| !asked.path.contains("/manifests/") || asked.method == "HEAD")
    );
}

#[tokio::test]
async fn a_large_blob_goes_on_from_what_has_arrived() {
    let registry = Registry::start(Rules::default());
    let client = open(&registry.place()).pieces(1000, 100_000);
    let image = "shop-api/app".parse().unwrap();
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let digest = Digest::of(&content);
    // The second, the fifth and the sixth piece break: what came of them is not sent again.
    registry.rules(|rules| rules.cut_uploads = vec![100_000, 60_000, 30_000]);
    client.put_blob(&image, &digest, BlobSource::Bytes(&content)).await.unwrap();
    assert!(registry.has_blob("shop-api/app", digest.as_str()));
    let asked = registry.take();
    let count = |method: &str| asked.iter().filter(|asked| asked.method == method).count();
    assert_eq!((count("POST"), count("GET"), count("PUT")), (1, 3, 1), "{asked:?}");
    let sent: u64 = asked.iter().filter(|asked| asked.status != 0).map(|asked| asked.bytes).sum();
    assert_eq!(sent, 1_000_000 - 190_000);
}

#[tokio::test]
async fn a_registry_that_keeps_the_first_piece_only_gets_the_blob_as_a_whole() {
    let registry = Registry::start(Rules { keeps_first_piece_only: true, ..Rules::default() });
    let client = open(&registry.place()).pieces(1000, 100_000);
    let image = "shop-api/app".parse().unwrap();
    let content = vec![7; 350_000];
    let digest = Digest::of(&content);
    client.put_blob(&image, &digest, BlobSource::Bytes(&content)).await.unwrap();
    assert!(registry.has_blob("shop-api/app", digest.as_str()));
    assert_eq!(methods(&registry.take()), ["POST", "PATCH", "PATCH", "POST", "PUT"]);
}

#[tokio::test]
async fn a_registry_that_says_another_digest_gets_no_tag() {
    let scratch = Scratch::new("lies");
    let image = image(&scratch, 1000).await;
    for rules in [
        Rules { lies_about_blobs: true, ..Rules::default() },
        Rules { lies_about_manifests: true, ..Rules::default() },
    ] {
        let registry = Registry::start(rules);
        let error =
            images::push(&open(&registry.place()), &image, &["v1".parse().unwrap()]).await.unwrap_err();
        assert!(
            error.kind() == ErrorKind::Invalid && format!("{error:?}").contains("kept: `sha256:0000"),
            "{error:?}"
        );
        assert_eq!(registry.tag("shop-api/app", "v1"), None);
    }
}

#[tokio::test]
async fn what_is_no_registry_takes_no_image() {
    let scratch = Scratch::new("website");
    let image = image(&scratch, 1000).await;
    let exact = Reference::Digest(image.digest().clone());
    let content = std::fs::read(image.layout.blob_path(image.digest())).unwrap();
    let tag = ["v1".parse().unwrap()];
    for website in [Website::Page, Website::Login, Website::Nods(200), Website::Nods(201), Website::Nods(202)]
    {
        let registry = Registry::start(Rules { website: Some(website), ..Rules::default() });
        let client = open(&registry.place());
        let error = images::push(&client, &image, &tag).await.unwrap_err();
        assert!(!error.is_retryable() && !error.hints().is_empty(), "{website:?}: {error:?}");
        if let Ok(there) = client.has_blob(&image.name, image.digest()).await {
            assert!(!there, "{website:?}");
        }
        client.head_manifest(&image.name, &exact).await.unwrap_err();
        for tag in [None, Some(&tag[0])] {
            let error = client.put_manifest(&image.name, &content, oci::MANIFEST, tag).await.unwrap_err();
            assert!(
                error.kind() == ErrorKind::Invalid && !error.hints().is_empty(),
                "{website:?}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_registry_that_names_no_digests_is_asked_for_the_bytes() {
    let (registry, scratch) =
        (Registry::start(Rules { names_no_digests: true, ..Rules::default() }), Scratch::new("no-digests"));
    let (image, client, tag) =
        (image(&scratch, 1000).await, open(&registry.place()), ["v1".parse().unwrap()]);
    images::push(&client, &image, &tag).await.unwrap();
    assert_eq!(registry.tag("shop-api/app", "v1").as_deref(), Some(image.digest().as_str()));
    let asked = registry.take();
    let manifests: Vec<_> = asked.iter().filter(|asked| asked.path.contains("/manifests/")).collect();
    let count = |method: &str| manifests.iter().filter(|asked| asked.method == method).count();
    assert_eq!((count("PUT"), count("GET")), (2, 2), "each is looked at once it was put: {manifests:?}");
    let again = images::push(&client, &image, &tag).await.unwrap();
    assert_eq!((again.uploaded, again.skipped, again.tags.len()), (0, 2, 1));

    registry.rules(|rules| rules.drops_manifests = true);
    let error = images::push(&client, &image, &["v2".parse().unwrap()]).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Invalid && error.report().to_string().contains("does not have it"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_manifest_with_sizes_that_nothing_has_is_not_read() {
    let registry = Registry::start(Rules::default());
    let (client, image) = (open(&registry.place()), "shop-api/app".parse().unwrap());
    let blob = Digest::of(b"x");
    client.put_blob(&image, &blob, BlobSource::Bytes(b"x")).await.unwrap();
    let described = oci::Descriptor::new(oci::LAYER_GZIP, blob, u64::MAX);
    let content = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": oci::MANIFEST, "config": described, "layers": [described, described],
    }))
    .unwrap();
    let digest = client.put_manifest(&image, &content, oci::MANIFEST, None).await.unwrap();
    let other = Registry::start(Rules::default());
    let error = images::plan_copy(&client, &open(&other.place()), &image, &digest, &[]).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Invalid && format!("{error:?}").contains("18446744073709551615 bytes"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_tag_whose_first_answer_was_lost_is_no_conflict() {
    let scratch = Scratch::new("lost-answer");
    let (one, two) = (image(&scratch, 1000).await, index(&scratch).await);
    for names_no_digests in [false, true] {
        let registry = Registry::start(Rules { immutable_tags: true, names_no_digests, ..Rules::default() });
        let (client, tag) = (open(&registry.place()), ["v1".parse().unwrap()]);
        images::push(&client, &one, &[]).await.unwrap();
        registry.rules(|rules| rules.loses_answers = 1);
        registry.take();
        let report = images::push(&client, &one, &tag).await.unwrap();
        assert_eq!(report.tags, tag);
        let puts: Vec<u16> =
            registry.take().iter().filter(|asked| asked.method == "PUT").map(|asked| asked.status).collect();
        assert_eq!(puts, [503, 400]);

        // Somebody else's image under the tag is one, whatever was lost.
        images::push(&client, &two, &[]).await.unwrap();
        let content = std::fs::read(two.layout.blob_path(two.digest())).unwrap();
        let error = client.put_manifest(&two.name, &content, oci::INDEX, Some(&tag[0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert_eq!(registry.tag("shop-api/app", "v1").as_deref(), Some(one.digest().as_str()));
    }
}

#[tokio::test]
async fn a_tag_that_cannot_move_is_a_conflict_and_stays() {
    let scratch = Scratch::new("immutable");
    let (one, two) = (image(&scratch, 1000).await, index(&scratch).await);
    let registry = Registry::start(Rules { immutable_tags: true, ..Rules::default() });
    let client = open(&registry.place());
    let tag = ["v1".parse().unwrap()];
    images::push(&client, &one, &tag).await.unwrap();
    assert_eq!(images::push(&client, &one, &tag).await.unwrap().tags, tag, "the same is no conflict");
    let error = images::push(&client, &two, &tag).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Conflict && format!("{error:?}").contains("choose a new tag"),
        "{error:?}"
    );
    assert_eq!(registry.tag("shop-api/app", "v1").as_deref(), Some(one.digest().as_str()));
}

#[tokio::test]
async fn a_busy_registry_is_waited_for_but_not_for_long() {
    let image = "shop-api/app".parse().unwrap();
    let registry = Registry::start(Rules { busy: (1, 1), failing: 1, ..Rules::default() });
    let begin = Instant::now();
    assert!(open(&registry.place()).tags(&image).await.unwrap().is_empty());
    assert!(begin.elapsed() >= Duration::from_secs(1), "it asked for a second");
    assert_eq!(registry.take().iter().map(|asked| asked.status).collect::<Vec<_>>(), [429, 503, 404]);

    registry.rules(|rules| rules.busy = (1, 3600));
    let error = open(&registry.place()).tags(&image).await.unwrap_err();
    assert_eq!(error.throttle().unwrap().after, Some(Duration::from_secs(3600)), "{error:?}");
    assert!(error.kind() == ErrorKind::Unavailable && registry.take().len() == 1);
}

#[tokio::test]
async fn a_registry_that_says_nothing_is_given_up() {
    let registry = Registry::start(Rules { hang_uploads: 1, ..Rules::default() });
    let client = open(&registry.place()).stall(Duration::from_millis(300));
    let image = "shop-api/app".parse().unwrap();
    let content = vec![1; 5 << 20];
    let digest = Digest::of(&content);
    client.put_blob(&image, &digest, BlobSource::Bytes(&content)).await.unwrap();
    registry.rules(|rules| rules.hang_uploads = 9);
    let error = client.put_blob(&image, &digest, BlobSource::Bytes(&content)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::TimedOut && error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_broken_download_goes_on_from_what_has_come() {
    for redirects_blobs in [false, true] {
        let registry = Registry::start(Rules { redirects_blobs, ..Rules::default() });
        let client = open(&registry.place());
        let image = "shop-api/app".parse().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 253) as u8).collect();
        let digest = Digest::of(&content);
        client.put_blob(&image, &digest, BlobSource::Bytes(&content)).await.unwrap();
        registry.rules(|rules| rules.cut_downloads = 2);
        let mut read = Vec::new();
        assert!(client.get_blob(&image, &digest, &mut read).await.unwrap());
        assert!(read == content, "{} bytes came", read.len());
        registry.rules(|rules| rules.cut_downloads = 9);
        let error = client.get_blob(&image, &digest, &mut Vec::new()).await.unwrap_err();
        let told = format!("{error:?}");
        assert!(error.is_retryable() && !told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn an_upload_that_goes_on_elsewhere_is_not_told_who_asks() {
    let elsewhere = Registry::start(Rules::default());
    let guard = Guard::Basic("ci".into(), vec!["canary-password".into()]);
    let uploads_at = Some(format!("http://{}", elsewhere.place()));
    let registry = Registry::start(Rules { guard, uploads_at, ..Rules::default() });
    let login = Arc::new(Login::new("ci", SecretValue::new("canary-password")));
    let client = OciRegistry::new(&registry.place(), login).unwrap().retry(quick());
    let digest = Digest::of(b"x");
    client.put_blob(&"app".parse().unwrap(), &digest, BlobSource::Bytes(b"x")).await.unwrap_err();
    let asked = elsewhere.take();
    assert!(!asked.is_empty() && asked.iter().all(|asked| !asked.authorised), "{asked:?}");

    registry.rules(|rules| rules.uploads_at = Some("http://registry.example.com".into()));
    let error = client.put_blob(&"app".parse().unwrap(), &digest, BlobSource::Bytes(b"x")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("not safe"), "{error:?}");
}

/// Stands before a registry and breaks each connection that has carried so many bytes, the first two times.
pub(crate) struct Breaking {
    address: SocketAddr,
    breaks: Arc<AtomicUsize>,
}

impl Breaking {
    pub(crate) fn before(place: &str, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (breaks, place) = (Arc::new(AtomicUsize::new(0)), place.to_owned());
        let count = breaks.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&place).unwrap();
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).map(|_| to.shutdown(Shutdown::Both))
                });
                let count = count.clone();
                std::thread::spawn(move || {
                    let (mut client, mut server, mut passed) = (client, server, 0);
                    let mut piece = vec![0; 16 << 10];
                    while let Ok(read @ 1..) = client.read(&mut piece) {
                        passed += read as u64;
                        if passed > bytes && count.load(Ordering::SeqCst) < 2 {
                            count.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                        if server.write_all(&piece[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
                });
            }
        });
        Breaking { address, breaks }
    }

    pub(crate) fn place(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn breaks(&self) -> usize {
        self.breaks.load(Ordering::SeqCst)
    }
}
