//! Builds and pushes images beside buildah and skopeo, for `cargo xtask bench images`: `imager measure ROUNDS`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use infra_sdk::images::{self, BuiltImage, ImageSpec, Layout};
use infra_sdk::registry::{Anonymous, OciRegistry};
use infra_sdk::{Error, Result, ResultExt};
use serde_json::json;
use support::{DockerRegistry, Run, Scratch};

/// Files of an image, and the bytes of each.
const FILES: (u64, usize) = (1000, 20_000);
/// The bytes of the image that is pushed.
const PUSHED: usize = 50_000_000;
/// A Dockerfile of the same.
const DOCKERFILE: &str = "FROM scratch\nCOPY files /app\nWORKDIR /app\nENTRYPOINT [\"/app/server\"]\n";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["build", files, out] => build(files, out).await,
        ["push", layout, place] => push(layout, place).await,
        ["measure", rounds] => measure(rounds).await,
        _ => Err(Error::invalid("the arguments are not understood").hint("use `measure ROUNDS`")),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn build(files: &str, out: &str) -> Result<String> {
    let spec = ImageSpec::new("bench/app".parse()?, files, ["server"]);
    Ok(images::build(&spec, out.as_ref()).await?.digest().to_string())
}

async fn push(layout: &str, place: &str) -> Result<String> {
    let image = BuiltImage::open("bench/app".parse()?, Layout::at(layout))?;
    let registry = OciRegistry::new(place, Arc::new(Anonymous))?;
    Ok(images::push(&registry, &image, &["v1".parse()?]).await?.to_string())
}

/// One program in turns with the others: the fastest of its rounds, in seconds.
struct Contest<'a> {
    scratch: &'a Scratch,
    rounds: usize,
}

impl Contest<'_> {
    fn run(&self, programs: &[(&str, Vec<String>)]) -> BTreeMap<String, f64> {
        let mut fastest: BTreeMap<String, f64> = BTreeMap::new();
        for round in 0..=self.rounds {
            for (name, command) in programs {
                let begin = Instant::now();
                self.once(command);
                let took = begin.elapsed().as_secs_f64();
                // The first round warms what is read.
                if round > 0 {
                    let best = fastest.entry((*name).to_owned()).or_insert(took);
                    *best = best.min(took);
                }
            }
        }
        fastest
    }

    fn once(&self, command: &[String]) -> String {
        let run = Run::new(&command[0], self.scratch.path()).args(&command[1..]);
        run.env("HOME", self.scratch.path()).finish().expect(0).stdout
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

async fn measure(rounds: &str) -> Result<String> {
    let rounds: usize = rounds.parse().context("read the number of rounds")?;
    let own = std::env::current_exe().context("find this program")?;
    let own = own.display();
    let scratch = Scratch::new("bench-images");
    scratch.write("policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    scratch.write("Dockerfile", DOCKERFILE);
    for number in 0..FILES.0 {
        scratch.write(&format!("files/{}/{number}.js", number % 40), bytes(number, FILES.1, 0x3f));
    }
    executable(&scratch.write("files/server", "#!/bin/sh\n"))?;
    let contest = Contest { scratch: &scratch, rounds };
    let at = scratch.path().display();
    let buildah = format!("buildah --storage-driver vfs --root {at}/storage --runroot {at}/run");
    let bud = format!("{buildah} bud --isolation chroot --timestamp 0 --quiet --tag bench:1 .");
    let built = contest.run(&[
        ("infra-sdk, to an OCI layout", words(&format!("{own} build files built"))),
        ("buildah, into its storage", words(&bud)),
    ]);
    let stored = contest.run(&[(
        "buildah, from there to an OCI layout",
        words(&format!("{buildah} push --quiet --signature-policy {at}/policy.json bench:1 oci:{at}/stored")),
    )]);

    executable(&scratch.write("large/server", "#!/bin/sh\n"))?;
    scratch.write("large/data", bytes(1, PUSHED, 0xff));
    contest.once(&words(&format!("{own} build large large-image")));
    let mut pushes = Vec::new();
    for program in ["infra-sdk", "skopeo"] {
        let docker = DockerRegistry::start();
        let command = match program {
            "skopeo" => words(&format!(
                "skopeo --policy {at}/policy.json copy --quiet --dest-tls-verify=false oci:{at}/large-image docker://{}/bench/app:v1",
                docker.place()
            )),
            _ => words(&format!("{own} push large-image {}", docker.place())),
        };
        for what in ["first", "unchanged"] {
            let before = docker.requests().len();
            let begin = Instant::now();
            contest.once(&command);
            let mut seconds = begin.elapsed().as_secs_f64();
            let requests = counted(&docker.requests()[before..]);
            if what == "unchanged" {
                for _ in 1..rounds {
                    let begin = Instant::now();
                    contest.once(&command);
                    seconds = seconds.min(begin.elapsed().as_secs_f64());
                }
            }
            pushes.push(json!({"program": program, "what": what, "seconds": seconds, "requests": requests}));
        }
    }
    let size = FILES.0 * FILES.1 as u64;
    let builds: BTreeMap<String, f64> = built.into_iter().chain(stored).collect();
    Ok(json!({"files": FILES.0, "bytes": size, "pushed": PUSHED, "builds": builds, "pushes": pushes})
        .to_string())
}

/// How many requests there were of each method.
fn counted(requests: &[String]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for request in requests {
        *count.entry(request.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    count
}

/// Bytes of which as much is random as `mask` has bits.
fn bytes(seed: u64, size: usize, mask: u8) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8 & mask
    };
    (0..size).map(|_| next()).collect()
}

fn executable(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).context("make a program")?;
    }
    let _ = path;
    Ok(())
}
