//! Images as a person works with them: pushed to the registries of two regions, listed, promoted, scanned.

use serde_json::{Value, json};
use support::registry::{Guard, Registry, Rules};
use support::{AwsFake, DockerRegistry, Run, Step};

use crate::image_shop::ImageShop;

/// Two environments with a registry each.
fn two(staging: &str, production: &str) -> String {
    format!("[env.staging]\nregistry = \"{staging}\"\n[env.production]\nregistry = \"{production}\"\n")
}

/// What skopeo says of an image.
fn skopeo(place: &str, image: &str) -> Value {
    let finished = Run::new("skopeo", std::path::Path::new("/"))
        .args(["inspect", "--tls-verify=false", &format!("docker://{place}/{image}")])
        .finish()
        .expect(0);
    serde_json::from_str(&finished.stdout).expect("skopeo prints JSON")
}

/// The manifest itself.
fn skopeo_raw(place: &str, image: &str) -> Value {
    let finished = Run::new("skopeo", std::path::Path::new("/"))
        .args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{place}/{image}")])
        .finish()
        .expect(0);
    serde_json::from_str(&finished.stdout).expect("a manifest is JSON")
}

#[test]
fn an_image_goes_from_staging_to_production_by_its_digest() {
    let (staging, production) = (DockerRegistry::start(), DockerRegistry::start());
    let shop = ImageShop::new("promote", &two(&staging.place(), &production.place()), None);
    let pushed = shop.json("staging", &["infra:image:push", "app", "--tag", "1.0.0", "--tag", "stable"]);
    let digest = pushed[0]["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(pushed[0]["registry"], json!(staging.place()), "{pushed}");
    shop.files("two");
    shop.run("staging", &["infra:image:push", "--tag", "1.1.0"], 0);

    let planned =
        shop.run("production", &["infra:image:promote", "app:1.0.0", "--from", "staging", "--dry-run"], 0);
    assert!(planned.stdout.contains("blobs to move"), "{}", planned.stdout);
    let nothing = shop.json("production", &["infra:image:list"]);
    assert_eq!(nothing["images"][0]["versions"], json!([]), "a plan wrote something");
    shop.run("production", &["infra:image:promote", "app", "--from", "staging"], 4)
        .says(&["which version", "app:1.4.0"]);
    shop.run("production", &["infra:image:promote", "app:1.0.1", "--from", "staging"], 5)
        .says(&["did you mean `1.0.0`"]);
    shop.run("production", &["infra:image:promote", "app:1.0.0", "--from", "production"], 4)
        .says(&["--from"]);
    shop.run("production", &["infra:image:promote", "web:1.0.0", "--from", "staging"], 5)
        .says(&["no image is named"]);

    let exact = format!("app@{digest}");
    let moved = shop.json("production", &["infra:image:promote", &exact, "--from", "staging"]);
    assert_eq!(
        (&moved[0]["digest"], &moved[0]["tags"]),
        (&json!(digest), &json!(["1.0.0", "stable"])),
        "{moved}"
    );
    for place in [&staging.place(), &production.place()] {
        assert_eq!(skopeo(place, "shop-api/app:1.0.0")["Digest"], json!(digest));
    }
    let again = shop.json("production", &["infra:image:promote", "app:1.0.0", "--from", "staging"]);
    assert_eq!((&again[0]["sent"], &again[0]["tags"]), (&json!(0), &json!(["1.0.0"])), "{again}");
    shop.run("production", &["infra:image:promote", "app:1.1.0", "--from", "staging", "--tag", "live"], 0);
    let listed = shop.json("production", &["infra:image:list", "app"]);
    let tags: Vec<&Value> =
        listed["images"][0]["versions"].as_array().expect("a list").iter().map(|one| &one["tags"]).collect();
    assert_eq!(tags, [&json!(["live"]), &json!(["1.0.0", "stable"])], "{listed}");
    let (push, promote) = ("image.push shop-api/app", "image.promote shop-api/app");
    assert_eq!(shop.ledger(), [push, push, promote, promote]);
}

#[test]
fn images_are_listed_with_digest_size_and_the_time_of_their_push() {
    let registry = Registry::start(Rules::default());
    let shop = ImageShop::new("list", &two(&registry.place(), &registry.place()), None);
    let empty = shop.run("staging", &["infra:image:list"], 0).stdout;
    assert!(empty.contains("nothing was pushed yet"), "{empty}");
    let planned = shop.run("staging", &["infra:image:push", "--tag", "1.0.0", "--dry-run"], 0).stdout;
    assert!(planned.contains("2 blobs to send"), "{planned}");
    let wrote = registry.take().into_iter().filter(|asked| !["GET", "HEAD"].contains(&asked.method.as_str()));
    assert_eq!(wrote.count(), 0, "a dry run wrote something");
    for environment in ["staging", "local"] {
        let built = shop.json(environment, &["infra:image:build"]);
        shop.run(environment, &["infra:image:push", "--tag", "1.0.0"], 0);
        let listed = shop.json(environment, &["infra:image:list"]);
        let version = &listed["images"][0]["versions"][0];
        assert_eq!((&version["digest"], &version["size"]), (&built["digest"], &built["size"]), "{listed}");
        assert!(version["tags"] == json!(["1.0.0"]) && version["pushed"].is_string(), "{listed}");
        let shown = shop.run(environment, &["infra:image:list"], 0).stdout;
        assert!(shown.contains(built["digest"].as_str().expect("a digest")), "{shown}");
    }
    shop.run("staging", &["infra:image:push", "nothing"], 5).says(&["no image is named", "app"]);
}

#[test]
fn a_tag_that_cannot_move_is_a_conflict_with_a_way_out() {
    let registry = Registry::start(Rules { immutable_tags: true, ..Rules::default() });
    let shop = ImageShop::new("immutable", &two(&registry.place(), &registry.place()), None);
    let first = shop.json("staging", &["infra:image:push", "--tag", "1.0.0"]);
    shop.run("staging", &["infra:image:push", "--tag", "1.0.0"], 0);
    shop.files("two");
    shop.run("staging", &["infra:image:push", "--tag", "1.0.0"], 7).says(&["tag", "next:"]);
    assert_eq!(registry.tag("shop-api/app", "1.0.0").as_deref(), first[0]["digest"].as_str());
    assert_eq!(
        shop.ledger(),
        ["image.push shop-api/app"],
        "what changed nothing and what failed is not recorded"
    );
}

fn token(registry: &Registry) -> Value {
    json!({ "authorizationData": [{
        "authorizationToken": support::base64("AWS:canary-token"),
        "expiresAt": 4_000_000_000_u64,
        "proxyEndpoint": format!("http://{}", registry.place()),
    }] })
}

fn ecr() -> Registry {
    let guard = Guard::Basic("AWS".into(), vec!["canary-token".into()]);
    Registry::start(Rules { guard, immutable_tags: true, ..Rules::default() })
}

const AWS: &str = "[env.production]\nprovider = \"aws\"\nregion = \"eu-central-1\"\nregions = [\"us-east-1\"]\n\
                   account = \"123456789012\"\n";

#[test]
fn a_push_reaches_the_registry_of_every_region() {
    let (near, far) = (ecr(), ecr());
    let fake = AwsFake::start([
        Step::ok("GetAuthorizationToken", token(&near)).in_region("eu-central-1"),
        Step::ok("GetAuthorizationToken", token(&far)).in_region("us-east-1"),
    ]);
    let shop = ImageShop::new("regions", AWS, None).aws(&fake.url());
    let pushed = shop.json("production", &["infra:image:push", "--tag", "1.0.0"]);
    let digest = pushed[0]["digest"].as_str();
    for registry in [&near, &far] {
        assert_eq!(registry.tag("shop-api/app", "1.0.0").as_deref(), digest);
    }
    assert_eq!(pushed[1]["registry"], "ECR in us-east-1 of account 123456789012", "{pushed}");
    assert_eq!(shop.ledger(), ["image.push shop-api/app"; 2], "once for each region");
}

#[test]
fn a_promotion_crosses_regions_with_a_token_for_each() {
    let (near, far) = (ecr(), ecr());
    let settings = "[env.staging]\nprovider = \"aws\"\nregion = \"eu-central-1\"\n\
                    [env.production]\nprovider = \"aws\"\nregion = \"us-east-1\"\naccount = \"123456789012\"\n";
    let here = || Step::ok("GetAuthorizationToken", token(&near)).in_region("eu-central-1");
    let there = || Step::ok("GetAuthorizationToken", token(&far)).in_region("us-east-1");
    let fake = AwsFake::start([here(), here(), there(), here()]);
    let shop = ImageShop::new("ecr-promote", settings, None).aws(&fake.url());
    let pushed = shop.json("staging", &["infra:image:push", "--tag", "1.0.0"]);
    shop.run("production", &["infra:image:promote", "app:1.0.0", "--from", "staging"], 0);
    assert_eq!(far.tag("shop-api/app", "1.0.0").as_deref(), pushed[0]["digest"].as_str());
    // Where the credentials are of another account than infra.toml names, no registry is even asked.
    let other = settings.replace("123456789012", "999999999999");
    let there = AwsFake::start([]);
    let other = ImageShop::new("ecr-promote-other", &other, None).aws(&there.url());
    other
        .run("production", &["infra:image:promote", "app:1.0.0", "--from", "staging", "--tag", "2.0.0"], 3)
        .says(&["another account", "999999999999"]);
    assert_eq!(far.tag("shop-api/app", "2.0.0"), None);
    let listed = shop.json("staging", &["infra:image:list"]);
    assert_eq!(listed["images"][0]["versions"][0]["digest"], pushed[0]["digest"]);
}

#[test]
fn what_is_in_the_way_to_ecr_is_told_when_it_is_needed() {
    let shop = ImageShop::new("no-region", "[env.staging]\nprovider = \"aws\"\n", None);
    shop.run("staging", &["infra:image:build"], 0);
    for task in [&["infra:image:list"][..], &["infra:image:push"], &["infra:ecr:setup"]] {
        shop.run("staging", task, 4).says(&["no region of AWS is chosen", "AWS_REGION"]);
    }
}

#[test]
fn nothing_is_pushed_before_all_is_built_and_a_second_push_names_the_same_tags() {
    let registry = Registry::start(Rules::default());
    let image =
        |name: &str, files: &str| format!("[image.{name}]\nfiles = \"{files}\"\nentrypoint = [\"server\"]\n");
    let images = format!("{}{}", image("app", "dist"), image("worker", "nowhere"));
    let shop = ImageShop::new("all-first", &two(&registry.place(), &registry.place()), Some(&images));
    shop.run("staging", &["infra:image:push", "--tag", "1.0.0"], 5).says(&["nowhere"]);
    assert!(registry.take().is_empty(), "the first one is not pushed either");
    let shop = ImageShop::new("all-again", &two(&registry.place(), &registry.place()), None);
    let push = || shop.json("staging", &["infra:image:push", "--tag", "1.0.0", "--tag", "stable"]);
    let (first, second) = (push(), push());
    assert_eq!((&first[0]["tags"], &first[0]["manifest"]), (&json!(["1.0.0", "stable"]), &Value::Null));
    assert_eq!((&second[0]["tags"], &second[0]["uploaded"]), (&first[0]["tags"], &json!(0)), "{second}");
}

#[test]
fn an_image_without_a_tag_gets_one_of_its_digest_where_it_is_promoted_to() {
    let registry = Registry::start(Rules::default());
    let other = Registry::start(Rules::default());
    let shop = ImageShop::new("untagged", &two(&registry.place(), &other.place()), None);
    let push = || shop.json("staging", &["infra:image:push", "--tag", "live"]);
    let digest = push()[0]["digest"].as_str().expect("a digest").to_owned();
    // The tag moves on, and nothing names the first one any more.
    shop.files("two");
    push();
    let moved =
        shop.json("production", &["infra:image:promote", &format!("app@{digest}"), "--from", "staging"]);
    let tag = format!("sha-{}", &digest["sha256:".len()..][..12]);
    assert_eq!((&moved[0]["digest"], &moved[0]["tags"]), (&json!(digest), &json!([tag])), "{moved}");
}

#[test]
fn an_image_notes_its_commit_and_the_same_commit_has_the_same_digest() {
    let registry = DockerRegistry::start();
    let make = |name: &str, remote: &str| {
        let shop = ImageShop::new(name, &two(&registry.place(), &registry.place()), None);
        let git = |args: &[&str]| {
            let run = Run::new("git", &shop.scratch.join("shop")).args(args);
            run.env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
                .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        };
        let done = |args: &[&str]| git(args).finish().expect(0).stdout.trim().to_owned();
        done(&["init", "--quiet"]);
        done(&["add", "."]);
        let who = ["-c", "user.name=ci", "-c", "user.email=ci@acme.example", "-c", "commit.gpgsign=false"];
        done(&[&who[..], &["commit", "--quiet", "-m", "one"]].concat());
        done(&["remote", "add", "origin", remote]);
        (done(&["rev-parse", "HEAD"]), shop)
    };
    let (commit, one) =
        make("noted-one", "https://x-access-token:canary-of-git@example.com/acme/shop-api.git");
    let (same, two) = make("noted-two", "git@example.com:acme/shop-api.git");
    assert_eq!(commit, same);
    let digest =
        |shop: &ImageShop| shop.json("staging", &["infra:image:push", "--tag", "x"])[0]["digest"].clone();
    let first = digest(&one);
    drop(Run::new("git", &two.scratch.join("shop")).args(["tag", "1.0.0"]).finish().expect(0));
    assert_eq!(first, digest(&two), "a tag that came later changes nothing");
    let manifest = skopeo_raw(&registry.place(), "shop-api/app:x");
    let notes = &manifest["annotations"];
    assert_eq!(notes["org.opencontainers.image.revision"], json!(commit));
    assert_eq!(notes["org.opencontainers.image.source"], "https://example.com/acme/shop-api");
    assert!(!manifest.to_string().contains("canary"));
    // Files that are in no commit are not called one.
    one.files("another");
    assert_ne!(digest(&one), first);
    assert!(skopeo_raw(&registry.place(), "shop-api/app:x")["annotations"].is_null());
}

#[test]
fn what_is_in_no_commit_is_tagged_by_its_digest() {
    let registry = Registry::start(Rules { immutable_tags: true, ..Rules::default() });
    let shop = ImageShop::new("dirty", &two(&registry.place(), &registry.place()), None);
    let git = |args: &[&str]| drop(Run::new("git", &shop.scratch.join("shop")).args(args).finish().expect(0));
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    let who = ["-c", "user.name=ci", "-c", "user.email=ci@acme.example", "commit", "--quiet", "-m", "one"];
    git(&who);
    git(&["tag", "1.0.0"]);
    let tags = |pushed: Value| pushed[0]["tags"].clone();
    assert_eq!(tags(shop.json("staging", &["infra:image:push"])), json!(["1.0.0"]));
    for content in ["two", "three"] {
        shop.files(content);
        let pushed = shop.json("staging", &["infra:image:push"]);
        let digest = pushed[0]["digest"].as_str().expect("a digest").to_owned();
        assert_eq!(tags(pushed), json!([format!("1.0.0-dirty-{}", &digest["sha256:".len()..][..12])]));
    }
}

#[test]
fn an_image_passes_only_without_findings_of_the_threshold() {
    let registry = ecr();
    let one = AWS.replace("regions = [\"us-east-1\"]\n", "");
    let login = || Step::ok("GetAuthorizationToken", token(&registry));
    let found = json!({ "findingSeverityCounts": { "HIGH": 1 }, "findings": [{ "name": "CVE-2024-3094", "severity": "HIGH" }] });
    let scan = |digest: &str| {
        let told = json!({ "imageScanStatus": { "status": "COMPLETE" }, "imageScanFindings": found });
        Step::ok("DescribeImageScanFindings", told).with(json!({ "imageId": { "imageDigest": digest } }))
    };
    let shop = ImageShop::new("scan", &one, None);
    // The digest of what will be pushed: the same files always have the same.
    let digest = shop.json("local", &["infra:image:build"])["digest"].as_str().expect("a digest").to_owned();
    let fake = AwsFake::start([login(), login(), scan(&digest), login(), scan(&digest), login()]);
    let shop = shop.aws(&fake.url());
    shop.run("production", &["infra:image:push", "--tag", "1.0.0"], 0);
    let refused = shop.run("production", &["infra:image:scan", "app:1.0.0"], 10);
    assert!(
        refused.stdout.contains("CVE-2024-3094") && refused.stdout.contains("refused: 1 are high or worse")
    );
    let passed =
        shop.json("production", &["infra:image:scan", &format!("app@{digest}"), "--threshold", "critical"]);
    assert_eq!((&passed["refused"], &passed["counts"]["high"]), (&json!(0), &json!(1)), "{passed}");
    shop.run("production", &["infra:image:scan", "app:nothing"], 5).says(&["infra:image:list"]);
    shop.run("production", &["infra:image:scan", "app:1.0.0", "--threshold", "hihg"], 4)
        .says(&["did you mean `high`"]);
    shop.run("production", &["infra:image:scan", "app"], 4).says(&["which version"]);
}
