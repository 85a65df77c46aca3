//! Pinned tools from a mirror, by every downloader, and every way in which that can go wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use infra_sdk::config::{Lock, Tool};
use infra_sdk::env::INFRA_TOOLS_MIRROR;
use infra_sdk::names::Label;
use infra_sdk::terraform::Terraform;
use infra_sdk::tools::{self, Installed, Standing, platform};
use infra_sdk::{Cmd, Digest, Env, Error, ErrorKind, Result};
use serde_json::json;

const VERSION: &str = "9.8.7";

/// A home, a mirror folder with one release of a pretended terraform, and a `PATH` of its own.
struct Sandbox {
    root: PathBuf,
    archive: Vec<u8>,
}

impl Sandbox {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("infra-sdk-tools-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        let program = format!("#!/bin/sh\necho Terraform v{VERSION}\n");
        let sandbox =
            Sandbox { root, archive: zip(&[("LICENSE.txt", b"free"), ("terraform", program.as_bytes())]) };
        fs::create_dir_all(sandbox.root.join("bin")).unwrap();
        sandbox.publish(&archive_name(), &sandbox.archive);
        let sums = format!(
            "{}  {}\n{}  terraform_{VERSION}_solaris_amd64.zip\n",
            Digest::of(&sandbox.archive).hex(),
            archive_name(),
            "0".repeat(64)
        );
        sandbox.publish(&format!("terraform_{VERSION}_SHA256SUMS"), sums.as_bytes());
        sandbox
    }

    fn release(&self) -> PathBuf {
        self.root.join("mirror/terraform").join(VERSION)
    }

    fn publish(&self, file: &str, content: &[u8]) {
        fs::create_dir_all(self.release()).unwrap();
        fs::write(self.release().join(file), content).unwrap();
    }

    fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Lets only this one of the machine's programs be found.
    fn offer(&self, program: &str) {
        let real = Env::of_process().unwrap().which(program);
        let real = real.unwrap_or_else(|| panic!("this test needs {program} on PATH"));
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", real.display());
        self.program(program, &script);
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.root.join("bin").join(name);
        fs::write(&path, script).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn env(&self, mirror: &str) -> Env {
        let bin = self.root.join("bin").to_str().unwrap().to_owned();
        Env::of([("PATH", bin), (INFRA_TOOLS_MIRROR, mirror.to_owned())], "/")
    }

    fn folder_env(&self) -> Env {
        self.env(self.root.join("mirror").to_str().unwrap())
    }

    async fn install(&self, tools: &BTreeMap<Label, Tool>, env: &Env) -> Result<Installed> {
        let mut lock = self.lock();
        let plan = tools::plan(tools, env, &self.home(), &lock).await?;
        let seen = AtomicU64::new(0);
        let done = tools::apply(
            plan,
            &mut lock,
            env,
            |program| Cmd::new(program),
            |_, bytes| {
                seen.fetch_max(bytes, Ordering::Relaxed);
            },
        );
        let done = done.await?;
        assert_eq!(seen.into_inner(), self.archive.len().max(1) as u64);
        Ok(done)
    }

    /// The lock of a repo that pins the tools.
    fn lock(&self) -> Lock {
        Lock::load(&self.root.join("repo")).unwrap()
    }

    fn program_path(&self) -> PathBuf {
        self.home().join("tools/terraform").join(VERSION).join("terraform")
    }

    /// Everything below the home but the lock file.
    fn leftovers(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, all: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, all) } else { all.push(path) }
            }
        }
        let mut all = Vec::new();
        below(&self.home(), &mut all);
        all.retain(|path| !path.ends_with("lock"));
        all
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn archive_name() -> String {
    format!("terraform_{VERSION}_{}.zip", platform())
}

fn pinned(digest: Option<Digest>) -> BTreeMap<Label, Tool> {
    let sha256: BTreeMap<String, Digest> = digest.into_iter().map(|digest| (platform(), digest)).collect();
    let tool = serde_json::from_value(json!({ "version": VERSION, "sha256": sha256 })).unwrap();
    [("terraform".parse().unwrap(), tool)].into()
}

/// A zip archive whose members are stored as they are.
pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let size = (content.len() as u32).to_le_bytes();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(crc32(content).to_le_bytes());
        common.extend(size);
        common.extend(size);
        common.extend((name.len() as u32).to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((body.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        body.extend(b"PK\x03\x04");
        body.extend(&common);
        body.extend(name.as_bytes());
        body.extend(*content);
    }
    let (offset, length) = (body.len() as u32, directory.len() as u32);
    let count = (members.len() as u16).to_le_bytes();
    body.extend(directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    body.extend(count);
    body.extend(count);
    body.extend(length.to_le_bytes());
    body.extend(offset.to_le_bytes());
    body.extend([0; 2]);
    body
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// How a server answers a request for a file.
type Answer = dyn Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// Serves on a free port of this machine until the test's process ends.
fn serve(answer: Arc<Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
            while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
            let _ = answer(&path, &mut stream);
        }
    });
    format!("http://{address}")
}

fn serve_folder(folder: PathBuf) -> String {
    serve(Arc::new(move |path, stream| match fs::read(folder.join(path.trim_start_matches('/'))) {
        Ok(content) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                content.len()
            )?;
            stream.write_all(&content)
        }
        Err(_) => {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
    }))
}

fn report(error: &Error) -> String {
    error.report().to_string()
}

#[tokio::test]
async fn a_pinned_tool_comes_from_a_folder_and_is_then_found_by_everybody() {
    let sandbox = Sandbox::new();
    let env = sandbox.folder_env();
    let before = tools::check(&pinned(None), &env, &sandbox.home()).await.unwrap();
    assert_eq!(before.tools[0].standing, Standing::Missing);
    assert!(before.to_string().contains("terraform 9.8.7: missing; run `cargo xtask infra:tools:install`"));
    assert!(before.ready().is_err());

    let done = sandbox.install(&pinned(None), &env).await.unwrap();
    assert!(done.to_string().starts_with("installed terraform 9.8.7 at "));
    let name: Label = "terraform".parse().unwrap();
    let lock = sandbox.lock();
    assert_eq!(lock.tool(&name, VERSION, &platform()), Some(&Digest::of(&sandbox.archive)));
    assert!(lock.tool(&name, VERSION, "solaris_amd64").is_some());
    assert_eq!(sandbox.leftovers(), [sandbox.program_path()]);
    assert_eq!(Cmd::new(sandbox.program_path()).read().await.unwrap(), "Terraform v9.8.7");

    let after = tools::check(&pinned(None), &env, &sandbox.home()).await.unwrap();
    after.ready().unwrap();
    let terraform = Terraform::find(&pinned(None), &env, &sandbox.home()).await.unwrap();
    assert_eq!(terraform.program(), sandbox.program_path());
    let nothing = tools::plan(&pinned(None), &env, &sandbox.home(), &sandbox.lock()).await.unwrap();
    assert_eq!((nothing.steps.len(), nothing.to_string().as_str()), (0, "all tools are there"));
}

#[tokio::test]
async fn curl_and_python_download_alike() {
    for downloader in ["curl", "python3"] {
        let sandbox = Sandbox::new();
        sandbox.offer(downloader);
        let env = sandbox.env(&serve_folder(sandbox.root.join("mirror")));
        sandbox.install(&pinned(None), &env).await.unwrap();
        assert_eq!(sandbox.leftovers(), [sandbox.program_path()], "{downloader}");
    }
}

#[tokio::test]
async fn a_digest_that_is_known_needs_no_list_and_a_wrong_one_shows_both() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.release().join(format!("terraform_{VERSION}_SHA256SUMS"))).unwrap();
    let (good, bad) = (Digest::of(&sandbox.archive), Digest::of(b"other"));
    let error = sandbox.install(&pinned(Some(bad.clone())), &sandbox.folder_env()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        report(&error).contains(good.as_str()) && report(&error).contains(bad.as_str()),
        "{}",
        report(&error)
    );
    assert!(sandbox.leftovers().is_empty());
    sandbox.install(&pinned(Some(good)), &sandbox.folder_env()).await.unwrap();
}

#[tokio::test]
async fn an_archive_that_changed_since_the_first_installation_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.install(&pinned(None), &sandbox.folder_env()).await.unwrap();
    fs::remove_dir_all(sandbox.home()).unwrap();
    // Whoever changes the archive can change the list beside it as well; infra.lock they cannot.
    let changed = zip(&[("terraform", b"#!/bin/sh\nrm -rf everything\n")]);
    sandbox.publish(&archive_name(), &changed);
    let sums = format!("{}  {}\n", Digest::of(&changed).hex(), archive_name());
    sandbox.publish(&format!("terraform_{VERSION}_SHA256SUMS"), sums.as_bytes());
    let error = sandbox.install(&pinned(None), &sandbox.folder_env()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", report(&error));
    assert!(sandbox.leftovers().is_empty());
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_nothing() {
    for downloader in ["curl", "python3"] {
        let sandbox = Sandbox::new();
        sandbox.offer(downloader);
        let url = serve(Arc::new(|_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\nPK")
        }));
        let digest = Digest::of(&sandbox.archive);
        let error = sandbox.install(&pinned(Some(digest)), &sandbox.env(&url)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Conflict), "{}", report(&error));
        assert!(sandbox.leftovers().is_empty(), "{downloader}");
    }
}

#[tokio::test]
async fn what_cannot_be_had_says_where_it_was_looked_for_and_what_to_do() {
    let sandbox = Sandbox::new();
    let env = sandbox.env("https://tools.invalid/x");
    let error = sandbox.install(&pinned(Some(Digest::of(b"x"))), &env).await.unwrap_err();
    let url = format!("https://tools.invalid/x/terraform/{VERSION}/{}", archive_name());
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        report(&error).contains(&url) && report(&error).contains("INFRA_TOOLS_MIRROR=DIR"),
        "{}",
        report(&error)
    );

    sandbox.offer("curl");
    let url = serve_folder(sandbox.root.join("nothing"));
    let error = sandbox.install(&pinned(None), &sandbox.env(&url)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(report(&error).contains("404") && report(&error).contains("_SHA256SUMS"), "{}", report(&error));

    fs::remove_dir_all(sandbox.root.join("mirror")).unwrap();
    let error = sandbox.install(&pinned(None), &sandbox.folder_env()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(sandbox.leftovers().is_empty());
}

#[tokio::test]
async fn an_archive_without_the_program_is_refused() {
    let sandbox = Sandbox::new();
    let other = zip(&[("README.md", b"words")]);
    sandbox.publish(&archive_name(), &other);
    let error = sandbox.install(&pinned(Some(Digest::of(&other))), &sandbox.folder_env()).await.unwrap_err();
    assert!(report(&error).contains("`terraform` is not in it"), "{}", report(&error));
    assert!(sandbox.leftovers().is_empty());
}

#[tokio::test]
async fn a_tool_that_is_not_ours_to_install_is_checked_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.program("node", "#!/bin/sh\necho v22.1.0\n");
    let tool = |version: &str| -> Tool { serde_json::from_value(json!({ "version": version })).unwrap() };
    let asked = |version| BTreeMap::from([("node".parse().unwrap(), tool(version))]);
    let env = sandbox.folder_env();
    tools::check(&asked("22.1.0"), &env, &sandbox.home()).await.unwrap().ready().unwrap();
    let other = tools::check(&asked("20.0.0"), &env, &sandbox.home()).await.unwrap();
    assert!(other.to_string().contains("other version 22.1.0"), "{other}");
    assert!(other.ready().unwrap_err().hints()[0].contains("install node 20.0.0"));
    let plan = tools::plan(&asked("20.0.0"), &env, &sandbox.home(), &sandbox.lock()).await.unwrap();
    assert!(plan.steps.is_empty(), "{plan}");
    assert_eq!(plan.by_hand, ["install node 20.0.0 and put it on PATH"]);
    assert!(plan.to_string().contains("install node 20.0.0"), "{plan}");
}
