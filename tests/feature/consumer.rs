//! A minimal product repo beside the checkout, checked by cargo as a user's would be.

use std::path::{Path, PathBuf};

use support::{Finished, Run, repo};

/// Writes a package with these sources as binaries, depending on infra-sdk with `features`.
pub(crate) fn package(name: &str, features: &[&str], sources: &[(&str, &str)]) -> PathBuf {
    let folder = repo().join("target/feature").join(name);
    std::fs::create_dir_all(folder.join("src/bin")).expect("target is writable");
    let manifest = format!(
        "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         infra-sdk = {{ path = {:?}, features = {features:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
        repo().join("infra-sdk")
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("target is writable");
    std::fs::copy(repo().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the workspace has a lock");
    for (bin, source) in sources {
        std::fs::write(folder.join(format!("src/bin/{bin}.rs")), source).expect("target is writable");
    }
    folder
}

/// Runs cargo in such a package; all packages share one build folder.
pub(crate) fn cargo(folder: &Path, args: &[&str]) -> Finished {
    cargo_into("build", folder, args)
}

/// The same with a build folder of this name: cargo lets one command at a time use one.
pub(crate) fn cargo_into(build: &str, folder: &Path, args: &[&str]) -> Finished {
    Run::new(env!("CARGO"), folder)
        .env("CARGO_TARGET_DIR", repo().join("target/feature").join(build))
        // Each set of features is checked once: what incremental builds would keep is never used.
        .env("CARGO_INCREMENTAL", "0")
        .args(args)
        .finish()
}
