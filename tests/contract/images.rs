//! What every `ImageRegistry` promises: one check for each sentence of its contract.

use std::io::{self, Write};

use infra_sdk::images::oci::{self, Descriptor, Manifest};
use infra_sdk::images::{BlobSource, ImageRegistry, Platform, Reference};
use infra_sdk::names::{ImageName, Tag};
use infra_sdk::{Digest, ErrorKind, id};

/// Checks the whole contract on images with fresh names, so that a shared registry can be used too.
pub(crate) async fn holds(registry: &dyn ImageRegistry) {
    let fresh = || ImageName::new(format!("contract-{}/app", id::short().unwrap())).unwrap();
    an_unknown_name_is_an_empty_image(registry, &fresh()).await;
    a_blob_is_kept_whole_and_can_be_put_again(registry, &fresh()).await;
    a_blob_with_another_digest_is_refused_and_not_kept(registry, &fresh()).await;
    an_absent_blob_writes_nothing(registry, &fresh()).await;
    a_writer_that_refuses_stops_the_transfer(registry, &fresh()).await;
    a_manifest_comes_back_byte_for_byte(registry, &fresh()).await;
    a_manifest_whose_blobs_are_missing_is_refused(registry, &fresh()).await;
    a_tag_moves_and_the_old_manifest_stays(registry, &fresh()).await;
    tags_are_sorted_and_listed_once(registry, &fresh()).await;
    names_do_not_see_each_other(registry, &fresh(), &fresh()).await;
    a_mounted_blob_is_there_and_another_has_to_be_put(registry, &fresh(), &fresh()).await;
    a_digest_is_had_without_its_manifest(registry, &fresh()).await;
    an_index_needs_its_images(registry, &fresh()).await;
}

async fn an_unknown_name_is_an_empty_image(registry: &dyn ImageRegistry, image: &ImageName) {
    let digest = Digest::of(b"nothing");
    assert!(!registry.name().is_empty());
    assert!(!registry.has_blob(image, &digest).await.unwrap());
    assert_eq!(registry.get_manifest(image, &digest.into()).await.unwrap(), None);
    assert_eq!(registry.get_manifest(image, &tag("v1").into()).await.unwrap(), None);
    assert_eq!(registry.tags(image).await.unwrap(), []);
}

async fn a_blob_is_kept_whole_and_can_be_put_again(registry: &dyn ImageRegistry, image: &ImageName) {
    for content in [&b""[..], b"one", &vec![7; 3 << 20]] {
        let digest = Digest::of(content);
        for _ in 0..2 {
            registry.put_blob(image, &digest, BlobSource::Bytes(content)).await.unwrap();
            assert!(registry.has_blob(image, &digest).await.unwrap());
            assert!(
                blob(registry, image, &digest).await.unwrap() == content,
                "{} bytes differ",
                content.len()
            );
        }
    }
    let path = std::env::temp_dir().join(format!("contract-{}", id::short().unwrap()));
    std::fs::write(&path, b"from a file").unwrap();
    let digest = Digest::of(b"from a file");
    registry.put_blob(image, &digest, BlobSource::File(&path)).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(blob(registry, image, &digest).await.unwrap(), b"from a file");
}

async fn a_blob_with_another_digest_is_refused_and_not_kept(registry: &dyn ImageRegistry, image: &ImageName) {
    let digest = Digest::of(b"right");
    let error = registry.put_blob(image, &digest, BlobSource::Bytes(b"wrong")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert!(!registry.has_blob(image, &digest).await.unwrap());
    assert!(!registry.has_blob(image, &Digest::of(b"wrong")).await.unwrap());
    registry.put_blob(image, &digest, BlobSource::Bytes(b"right")).await.unwrap();
    let error = registry.put_blob(image, &digest, BlobSource::Bytes(b"wrong")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert_eq!(blob(registry, image, &digest).await.unwrap(), b"right");
}

async fn an_absent_blob_writes_nothing(registry: &dyn ImageRegistry, image: &ImageName) {
    assert_eq!(blob(registry, image, &Digest::of(b"absent")).await, None);
    put(registry, image, b"another").await;
    assert_eq!(blob(registry, image, &Digest::of(b"absent")).await, None);
}

async fn a_writer_that_refuses_stops_the_transfer(registry: &dyn ImageRegistry, image: &ImageName) {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 1 { Err(io::Error::other("no room left for it")) } else { Ok(bytes.len()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let digest = put(registry, image, &vec![1; 3 << 20]).await;
    let mut full = Full(0);
    let error = registry.get_blob(image, &digest, &mut full).await.unwrap_err();
    assert!(error.report().to_string().contains("no room left for it"), "{error:?}");
    assert_eq!(full.0, 2, "the transfer went on after the refusal");
}

async fn a_manifest_comes_back_byte_for_byte(registry: &dyn ImageRegistry, image: &ImageName) {
    let content = manifest(registry, image, "first").await;
    // White space that another writer would drop.
    let content = [&content[..], b"\n  \n"].concat();
    let digest = registry.put_manifest(image, &content, oci::MANIFEST, Some(&tag("v1"))).await.unwrap();
    assert_eq!(digest, Digest::of(&content));
    for at in [Reference::Tag(tag("v1")), Reference::Digest(digest)] {
        let found = registry.get_manifest(image, &at).await.unwrap().unwrap();
        assert_eq!((&found.content, found.media_type.as_str()), (&content, oci::MANIFEST));
    }
    let untagged = manifest(registry, image, "untagged").await;
    let digest = registry.put_manifest(image, &untagged, oci::MANIFEST, None).await.unwrap();
    let found = registry.get_manifest(image, &digest.into()).await.unwrap().unwrap();
    assert_eq!(found.content, untagged);
    assert_eq!(registry.tags(image).await.unwrap(), [tag("v1")]);
}

async fn a_manifest_whose_blobs_are_missing_is_refused(registry: &dyn ImageRegistry, image: &ImageName) {
    let good = manifest(registry, image, "good").await;
    let digest = registry.put_manifest(image, &good, oci::MANIFEST, Some(&tag("v1"))).await.unwrap();
    let mut bad: Manifest = serde_json::from_slice(&good).unwrap();
    bad.layers.push(Descriptor::new(oci::LAYER_GZIP, Digest::of(b"never pushed"), 12));
    for content in [serde_json::to_vec(&bad).unwrap(), b"no manifest".to_vec()] {
        let error =
            registry.put_manifest(image, &content, oci::MANIFEST, Some(&tag("v1"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert_eq!(registry.get_manifest(image, &Digest::of(&content).into()).await.unwrap(), None);
    }
    let found = registry.get_manifest(image, &tag("v1").into()).await.unwrap().unwrap();
    assert_eq!(found.digest(), digest);
}

async fn a_tag_moves_and_the_old_manifest_stays(registry: &dyn ImageRegistry, image: &ImageName) {
    let (old, new) = (manifest(registry, image, "old").await, manifest(registry, image, "new").await);
    let old = registry.put_manifest(image, &old, oci::MANIFEST, Some(&tag("live"))).await.unwrap();
    let expected = match registry.put_manifest(image, &new, oci::MANIFEST, Some(&tag("live"))).await {
        Ok(new) => new,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
            old.clone()
        }
    };
    let found = registry.get_manifest(image, &tag("live").into()).await.unwrap().unwrap();
    assert_eq!(found.digest(), expected);
    assert!(registry.get_manifest(image, &old.into()).await.unwrap().is_some());
    assert_eq!(registry.tags(image).await.unwrap(), [tag("live")]);
}

async fn tags_are_sorted_and_listed_once(registry: &dyn ImageRegistry, image: &ImageName) {
    let content = manifest(registry, image, "tagged").await;
    for name in ["v2", "v1", "A", "v1", "v10"] {
        registry.put_manifest(image, &content, oci::MANIFEST, Some(&tag(name))).await.unwrap();
    }
    assert_eq!(registry.tags(image).await.unwrap(), ["A", "v1", "v10", "v2"].map(tag));
}

async fn names_do_not_see_each_other(registry: &dyn ImageRegistry, one: &ImageName, two: &ImageName) {
    let inner = ImageName::new(format!("{one}/blobs")).unwrap();
    let content = manifest(registry, one, "one").await;
    let digest = registry.put_manifest(one, &content, oci::MANIFEST, Some(&tag("v1"))).await.unwrap();
    let config = serde_json::from_slice::<Manifest>(&content).unwrap().config.digest;
    for other in [two, &inner] {
        assert!(!registry.has_blob(other, &config).await.unwrap(), "{other}");
        assert_eq!(registry.get_manifest(other, &digest.clone().into()).await.unwrap(), None);
        assert_eq!(registry.tags(other).await.unwrap(), []);
    }
    put(registry, &inner, b"inside").await;
    assert_eq!(registry.tags(one).await.unwrap(), [tag("v1")]);
}

async fn a_mounted_blob_is_there_and_another_has_to_be_put(
    registry: &dyn ImageRegistry,
    one: &ImageName,
    two: &ImageName,
) {
    let digest = put(registry, one, b"shared").await;
    let from = registry.address(one);
    if !registry.mount_blob(two, &digest, &from).await.unwrap() {
        put(registry, two, b"shared").await;
    }
    assert_eq!(blob(registry, two, &digest).await.unwrap(), b"shared");
    let absent = Digest::of(b"in neither");
    for from in [from.as_str(), "elsewhere.example.com/shop-api/app", &registry.address(two)] {
        assert!(!registry.mount_blob(two, &absent, from).await.unwrap(), "{from}");
        assert!(!registry.has_blob(two, &absent).await.unwrap(), "{from}");
    }
    put(registry, two, b"in neither").await;
    assert!(registry.has_blob(two, &absent).await.unwrap());
}

async fn a_digest_is_had_without_its_manifest(registry: &dyn ImageRegistry, image: &ImageName) {
    let content = manifest(registry, image, "asked").await;
    let absent = Digest::of(&content);
    assert_eq!(registry.head_manifest(image, &absent.clone().into()).await.unwrap(), None);
    assert_eq!(registry.head_manifest(image, &tag("v1").into()).await.unwrap(), None);
    let digest = registry.put_manifest(image, &content, oci::MANIFEST, Some(&tag("v1"))).await.unwrap();
    for at in [Reference::Tag(tag("v1")), Reference::Digest(digest.clone())] {
        assert_eq!(registry.head_manifest(image, &at).await.unwrap(), Some(digest.clone()));
    }
}

async fn an_index_needs_its_images(registry: &dyn ImageRegistry, image: &ImageName) {
    let content = manifest(registry, image, "child").await;
    let child = Descriptor {
        platform: Some(Platform::linux("arm64")),
        ..Descriptor::new(oci::MANIFEST, Digest::of(&content), content.len() as u64)
    };
    let index = oci::Index { manifests: vec![child], ..oci::Index::default() };
    let index = serde_json::to_vec(&index).unwrap();
    let error = registry.put_manifest(image, &index, oci::INDEX, Some(&tag("v1"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert_eq!(registry.head_manifest(image, &tag("v1").into()).await.unwrap(), None);
    registry.put_manifest(image, &content, oci::MANIFEST, None).await.unwrap();
    registry.put_manifest(image, &index, oci::INDEX, Some(&tag("v1"))).await.unwrap();
    let found = registry.get_manifest(image, &tag("v1").into()).await.unwrap().unwrap();
    assert_eq!((found.content, found.media_type.as_str()), (index, oci::INDEX));
}

fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

async fn put(registry: &dyn ImageRegistry, image: &ImageName, content: &[u8]) -> Digest {
    let digest = Digest::of(content);
    registry.put_blob(image, &digest, BlobSource::Bytes(content)).await.unwrap();
    digest
}

async fn blob(registry: &dyn ImageRegistry, image: &ImageName, digest: &Digest) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let there = registry.get_blob(image, digest, &mut content).await.unwrap();
    assert!(there || content.is_empty(), "an absent blob wrote {} bytes", content.len());
    there.then_some(content)
}

/// A manifest that differs by `note`, with its blobs in place.
async fn manifest(registry: &dyn ImageRegistry, image: &ImageName, note: &str) -> Vec<u8> {
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"author":"{note}"}}"#
    );
    let digest = put(registry, image, config.as_bytes()).await;
    let layer = put(registry, image, note.as_bytes()).await;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(oci::MANIFEST.into()),
        config: Descriptor::new(oci::CONFIG, digest, config.len() as u64),
        layers: vec![Descriptor::new(oci::LAYER_GZIP, layer, note.len() as u64)],
        annotations: [("note".to_owned(), note.to_owned())].into(),
    };
    serde_json::to_vec(&manifest).unwrap()
}
