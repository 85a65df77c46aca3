//! Builds an OCI image from a folder, without a container engine, and prints its digest: the same files, the same digest.
//!
//! ```sh
//! cargo run --example image_digest -- dist server
//! cargo run --example image_digest -- dist server --layout out    # keeps the image as an OCI layout in `out`
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use infra_sdk::app::exit;
use infra_sdk::images::{self, ImageSpec};
use infra_sdk::{Error, Result, id};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let digest = run(std::env::args().skip(1).collect()).await;
    let Err(error) = digest.map(|text| println!("{text}")) else { return ExitCode::SUCCESS };
    eprintln!("error: {}", error.report());
    ExitCode::from(exit::code_of(&error))
}

async fn run(args: Vec<String>) -> Result<String> {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dir, entrypoint, "--layout", out] => build(dir, entrypoint, out.into()).await,
        [dir, entrypoint] if !entrypoint.starts_with("--") => {
            let scratch = std::env::temp_dir().join(format!("image-digest-{}", id::short()?));
            let digest = build(dir, entrypoint, scratch.clone()).await;
            // What could not be removed is the system's to clean up, and no reason to withhold the digest.
            let _ = std::fs::remove_dir_all(scratch);
            digest
        }
        _ => Err(Error::invalid("the arguments are not understood")
            .hint("use `DIR ENTRYPOINT`, and after them `--layout OUT` to keep the image")
            .exit_with(exit::USAGE)),
    }
}

async fn build(dir: &str, entrypoint: &str, out: PathBuf) -> Result<String> {
    let spec = ImageSpec::new("example/app".parse()?, dir, [entrypoint]);
    Ok(images::build(&spec, &out).await?.digest().to_string())
}
