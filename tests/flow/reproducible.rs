//! The same thousand files make the same image, whoever builds it, when, and however the disk has them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use support::{Run, Scratch, repo};

/// Writes a thousand files in forty folders, in an order of its own, with rights and times of its own.
fn write(folder: &Path, backwards: bool, mode: u32, age: u64) {
    let mut numbers: Vec<u32> = (0..1000).collect();
    if backwards {
        numbers.reverse();
    }
    let time = SystemTime::now() - Duration::from_secs(age);
    for number in numbers {
        let place = folder.join(format!("{}/deep", number % 40));
        fs::create_dir_all(&place).expect("the scratch folder is writable");
        let path = place.join(format!("{number}.txt"));
        fs::write(&path, format!("file {number}\n").repeat(50)).expect("the scratch folder is writable");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(time))
            .expect("it is ours");
    }
    let server = folder.join("server");
    fs::write(&server, "#!/bin/sh\n").expect("the scratch folder is writable");
    fs::set_permissions(&server, Permissions::from_mode(mode | 0o100)).expect("it is ours");
}

/// Gives everything to another user. Who is not root cannot, and all else must hold for them.
fn give_away(folder: &Path) {
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        if entry.path().is_dir() {
            give_away(&entry.path());
        }
        let _ = std::os::unix::fs::chown(entry.path(), Some(12345), Some(54321));
    }
}

#[test]
fn a_thousand_files_make_one_image_under_any_umask_user_clock_and_order() {
    let scratch = Scratch::new("reproducible");
    write(&scratch.join("one"), false, 0o644, 0);
    write(&scratch.join("two"), true, 0o600, 400_000_000);
    give_away(&scratch.join("two"));

    let target =
        Path::new(env!("CARGO_BIN_EXE_consumer")).ancestors().nth(2).expect("target/PROFILE/consumer");
    let built = Run::new(env!("CARGO"), scratch.path())
        .args(["build", "--quiet", "--package", "infra-sdk", "--example", "image_digest", "--manifest-path"])
        .args([repo().join("Cargo.toml")])
        .env("CARGO_TARGET_DIR", target)
        .finish();
    drop(built.expect(0));
    let example = target.join("debug/examples/image_digest");
    let digest = |folder: &str, umask: &str, zone: &str| {
        let script = format!(
            "umask {umask} && exec {} {folder} server --layout out-{folder}-{umask}",
            example.display()
        );
        let run = Run::new("sh", scratch.path()).args(["-c", &script]).env("TZ", zone).env("LANG", zone);
        run.finish().expect(0).stdout
    };
    let first = digest("one", "022", "UTC");
    assert!(first.starts_with("sha256:"), "{first}");
    assert_eq!(digest("one", "077", "Asia/Seoul"), first);
    assert_eq!(digest("two", "000", "America/New_York"), first);
    assert_eq!(digest("two", "027", "UTC"), first);
    let blobs = |folder: &str| {
        let listed =
            fs::read_dir(scratch.join(folder).join("blobs/sha256")).expect("it is a layout").flatten();
        let mut names: Vec<_> = listed.into_iter().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(blobs("out-one-022"), blobs("out-two-000"), "configuration and layer are the same, too");
}
