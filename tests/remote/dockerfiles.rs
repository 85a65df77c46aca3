//! Images from a Dockerfile: by buildah as it is, by docker as far as a script can play it, and by nobody.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{DockerRegistry, Finished, Run};

use crate::image_shop::ImageShop;

const IMAGE: &str = "[image.app]\ndockerfile = \"docker/Dockerfile\"\ncontext = \"dist\"\n";

const DOCKERFILE: &str =
    "FROM scratch\nCOPY server /server\nENV GREETING=hello\nENTRYPOINT [\"/server\", \"--quiet\"]\n";

/// A repo with a Dockerfile, and buildah with a storage of its own.
fn shop(name: &str, settings: &str, image: &str) -> ImageShop {
    assert!(
        which("buildah").is_some(),
        "buildah is not on PATH; it is the Debian package `buildah`, which `.ci/run` installs"
    );
    let shop = ImageShop::new(name, settings, Some(image));
    shop.scratch.write("shop/docker/Dockerfile", DOCKERFILE);
    let place = |folder: &str| shop.scratch.join(folder).display().to_string();
    let storage = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
        place("storage"),
        place("run")
    );
    let storage = shop.scratch.write("storage.conf", storage);
    let storage = storage.display().to_string();
    shop.env("CONTAINERS_STORAGE_CONF", storage).env("BUILDAH_ISOLATION", "chroot")
}

/// Where a program is on this test's own `PATH`.
fn which(program: &str) -> Option<PathBuf> {
    infra_sdk::Env::of_process().expect("an environment").which(program)
}

/// A folder with these programs of this machine and nothing else.
fn path_with(shop: &ImageShop, programs: &[&str]) -> PathBuf {
    let folder = shop.scratch.join("bin");
    std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
    for program in programs {
        let from = which(program).unwrap_or_else(|| panic!("{program} is not on PATH"));
        std::os::unix::fs::symlink(from, folder.join(program)).expect("a link");
    }
    folder
}

fn skopeo(args: &[&str]) -> Finished {
    Run::new("skopeo", Path::new("/")).args(args).finish().expect(0)
}

fn inspected(place: &str, more: &[&str]) -> Value {
    let image = format!("docker://{place}/shop-api/app:1.0.0");
    let args: Vec<&str> =
        ["inspect", "--tls-verify=false"].iter().chain(more).copied().chain([&*image]).collect();
    serde_json::from_str(&skopeo(&args).stdout).expect("skopeo prints JSON")
}

#[test]
fn buildah_builds_an_image_that_others_can_read() {
    let registry = DockerRegistry::start();
    let shop = shop("buildah", &format!("[env.staging]\nregistry = \"{}\"\n", registry.place()), IMAGE);
    let bin = path_with(&shop, &["buildah", "sh", "git"]);
    let shop = shop.env("PATH", bin.display().to_string());
    let planned = shop.run("staging", &["infra:image:build", "--dry-run"], 0).stdout;
    assert!(planned.contains("docker/Dockerfile by buildah"), "{planned}");
    let built = shop.json("staging", &["infra:image:build"]);
    let pushed = shop.json("staging", &["infra:image:push", "--tag", "1.0.0"]);
    assert_eq!(pushed[0]["digest"], built["digest"], "the same files give the same image");
    let told = inspected(&registry.place(), &[]);
    assert_eq!(told["Digest"], built["digest"], "{told}");
    assert!(told["Env"].to_string().contains("GREETING=hello"), "{told}");
    let config = inspected(&registry.place(), &["--config"]);
    assert_eq!(config["config"]["Entrypoint"], json!(["/server", "--quiet"]));
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    // What was built before stays until the new one is whole.
    shop.scratch.write("shop/docker/Dockerfile", "FROM scratch\nCOPY gone /gone\n");
    let failed = shop.run("staging", &["infra:image:build"], 125);
    failed.says(&["program failed", "gone"]);
    let folder = shop.scratch.join("home/acme/build/shop-api");
    let left: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["app"], "nothing is left behind");
    assert!(folder.join("app/index.json").is_file());
}

#[test]
fn an_image_for_several_platforms_is_an_index() {
    let registry = DockerRegistry::start();
    let image = format!("{IMAGE}platforms = [\"linux/arm64\", \"linux/amd64\"]\n");
    let shop =
        shop("buildah-index", &format!("[env.staging]\nregistry = \"{}\"\n", registry.place()), &image);
    let bin = path_with(&shop, &["buildah", "sh", "git"]);
    let shop = shop.env("PATH", bin.display().to_string());
    let first = shop.json("staging", &["infra:image:build"]);
    assert_eq!(first["platforms"].as_array().map(Vec::len), Some(2), "{first}");
    let pushed = shop.json("staging", &["infra:image:push", "--tag", "1.0.0"]);
    let index = inspected(&registry.place(), &["--raw"]);
    let mut machines: Vec<&str> = index["manifests"]
        .as_array()
        .expect("an index")
        .iter()
        .filter_map(|one| one["platform"]["architecture"].as_str())
        .collect();
    machines.sort_unstable();
    assert_eq!(machines, ["amd64", "arm64"], "{index}");
    let listed = shop.json("staging", &["infra:image:list"]);
    assert_eq!(listed["images"][0]["versions"][0]["digest"], pushed[0]["digest"], "{listed}");
}

/// Docker as a script: it answers as docker does, notes what it was asked, and lets skopeo write the archives.
fn docker(shop: &ImageShop, bin: &Path, driver: &str) {
    let layout = shop.scratch.join("home/acme/build/shop-api/files");
    let asked = shop.scratch.join("asked");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {asked}\ncase \"$1 $2\" in\n\
         'version '*) echo 28.0.0;;\n\
         'buildx inspect') echo 'Name: default'; echo 'Driver:        {driver}';;\n\
         'buildx build') for word; do case $word in type=oci*) dest=${{word##*dest=}};; esac; done\n\
         skopeo copy -q oci:{layout} oci-archive:$dest;;\n\
         'build --iidfile') echo sha256:built > \"$3\"; echo 'step 1 of 1';;\n\
         'save --output') skopeo copy -q oci:{layout} \"oci-archive:$3\";;\n\
         *) echo \"not expected: $@\" >&2; exit 9;;\nesac\n",
        asked = asked.display(),
        layout = layout.display(),
    );
    let path = bin.join("docker");
    std::fs::write(&path, script).expect("the folder is writable");
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, runs).expect("the file is ours");
}

#[test]
fn docker_is_asked_first_and_its_archives_are_read() {
    for (driver, words) in [
        ("docker-container", ["buildx build --output type=oci", "--file"]),
        ("docker", ["build --iidfile", "save --output"]),
    ] {
        let files = format!("{IMAGE}[image.files]\nfiles = \"dist\"\nentrypoint = [\"server\"]\n");
        let shop = ImageShop::new("docker", "", Some(&files));
        shop.scratch.write("shop/docker/Dockerfile", DOCKERFILE);
        // The script gives this one for what it built.
        let given = shop.json("local", &["infra:image:build", "files"]);
        let bin = path_with(&shop, &["sh", "skopeo", "git", "buildah"]);
        docker(&shop, &bin, driver);
        let shop = shop.env("PATH", bin.display().to_string());
        let built = shop.json("local", &["infra:image:build", "app"]);
        assert_eq!(built["layers"], given["layers"], "{driver}");
        shop.run("local", &["infra:image:push", "app", "--tag", "1.0.0"], 0);
        let asked = std::fs::read_to_string(shop.scratch.join("asked")).expect("it was asked");
        for word in words {
            assert!(asked.contains(word), "{driver}: {word} is not in {asked}");
        }
        assert!(asked.contains("/shop/docker/Dockerfile") && asked.contains("/shop/dist"), "{asked}");
    }
}

#[test]
fn without_an_engine_the_error_names_all_three_and_why() {
    let shop = ImageShop::new("no-engine", "", Some(IMAGE));
    shop.scratch.write("shop/docker/Dockerfile", DOCKERFILE);
    let bin = path_with(&shop, &["sh"]);
    let broken = bin.join("podman");
    std::fs::write(&broken, "#!/bin/sh\necho 'cannot connect to Podman' >&2\nexit 125\n")
        .expect("it is ours");
    std::fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("it is ours");
    let shop = shop.env("PATH", bin.display().to_string());
    shop.run("local", &["infra:image:build"], 8).says(&[
        "docker is not on PATH",
        "podman does not work: cannot connect to Podman",
        "buildah is not on PATH",
        "install docker, podman or buildah",
    ]);
    std::fs::remove_file(shop.scratch.join("shop/docker/Dockerfile")).expect("it is ours");
    shop.run("local", &["infra:image:build"], 5).says(&["Dockerfile of image shop-api/app is not there"]);
}
