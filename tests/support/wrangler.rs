//! wrangler for a repo under test: the real one that was provisioned, or a program that behaves as a test says.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool;

/// The version that is provisioned, and that the stand-in says it is.
pub const WRANGLER: &str = "4.164.0";

/// Puts the program into `repo` that does what wrangler does for one module without anything to bundle: it uploads to the API
/// that it is told, and writes the same records. `STAND_IN` in its environment makes it misbehave.
pub fn stand_in(repo: &Path) -> PathBuf {
    put(repo, PROGRAM)
}

/// Puts the real one into `repo`, run by the node it needs.
pub fn real_wrangler(repo: &Path) -> PathBuf {
    let (node, wrangler) = (tool("wrangler/node"), tool("wrangler/node_modules/wrangler/bin/wrangler.js"));
    put(repo, &format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", node.display(), wrangler.display()))
}

/// `wrangler dev` without its bundler: a module in the runtime that Cloudflare serves with, on a free port. It ends with its
/// value, and what it started does.
#[cfg(unix)]
#[derive(Debug)]
pub struct WranglerDev {
    child: std::process::Child,
    url: String,
}

#[cfg(unix)]
impl WranglerDev {
    /// Runs what `wrangler.json` of this folder describes, and waits until it answers.
    #[expect(clippy::disallowed_types, reason = "it runs for as long as a test does, beside it")]
    pub fn start(folder: &Path) -> Self {
        use std::os::unix::process::CommandExt;
        use std::process::Stdio;
        use std::time::{Duration, Instant};

        let log = folder.join("log");
        let out = fs::File::create(&log).expect("the folder is writable");
        let child = std::process::Command::new(tool("wrangler/node"))
            .arg(tool("wrangler/node_modules/wrangler/bin/wrangler.js"))
            .args(["dev", "--no-bundle", "--ip", "127.0.0.1", "--port", "0"])
            .current_dir(folder)
            .env("HOME", folder)
            .env("XDG_CONFIG_HOME", folder)
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(out.try_clone().expect("a second handle"))
            .stdout(out)
            .process_group(0)
            .spawn()
            .expect("the node that was provisioned starts");
        let (mut dev, begun) = (WranglerDev { child, url: String::new() }, Instant::now());
        while dev.url.is_empty() {
            let said = fs::read_to_string(&log).expect("it was made above");
            assert!(begun.elapsed() < Duration::from_secs(120), "wrangler dev is not ready: {said}");
            assert!(dev.child.try_wait().expect("it is ours").is_none(), "wrangler dev ended: {said}");
            let ready = said.split_once("Ready on ").and_then(|(_, rest)| rest.split_once('\n'));
            dev.url = ready.map(|(url, _)| url.trim().to_owned()).unwrap_or_default();
            std::thread::sleep(Duration::from_millis(20));
        }
        dev
    }

    /// What it answers to a `GET` of its root.
    pub fn answer(&self) -> String {
        use std::io::{Read, Write};

        let place = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = std::net::TcpStream::connect(place).expect("it listens");
        write!(stream, "GET / HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

#[cfg(unix)]
impl Drop for WranglerDev {
    fn drop(&mut self) {
        // The runtime is a program of its own, and would live on.
        let group = format!("-{}", self.child.id());
        let _ = crate::Run::new("kill", Path::new("/")).args(["-KILL", "--", &group]).finish();
        let _ = self.child.wait();
    }
}

fn put(repo: &Path, text: &str) -> PathBuf {
    let path = repo.join("node_modules/.bin/wrangler");
    fs::create_dir_all(path.parent().expect("it has one")).expect("the folder can be made");
    fs::write(&path, text).expect("it can be written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be made executable");
    }
    path
}

const PROGRAM: &str = r#"#!/usr/bin/env python3
import json, os, stat, sys, time, urllib.request

mode = os.environ.get("STAND_IN", "")
args = sys.argv[1:]
if args == ["--version"]:
    print({"other": "4.86.0", "mute": ""}.get(mode, "4.164.0"))
    sys.exit(1 if mode == "mute" else 0)

def value(flag):
    for at, arg in enumerate(args):
        if arg == flag:
            return args[at + 1]
        if arg.startswith(flag + "="):
            return arg[len(flag) + 1:]

def record(**entry):
    with open(os.environ["WRANGLER_OUTPUT_FILE_PATH"], "a") as out:
        out.write(json.dumps({"version": 1, **entry}) + "\n")

for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
    assert os.environ[name] not in " ".join(args), "a credential in the arguments"
assert os.environ["CI"] == "1" and os.environ["WRANGLER_SEND_METRICS"] == "false"
assert "CLOUDFLARE_API_KEY" not in os.environ and "INFRA_AGE_KEY" not in os.environ
assert os.path.getsize(value("--env-file")) == 0

session = {"ran-other": "4.86.0"}.get(mode, "4.164.0")
record(type="wrangler-session", wrangler_version=session, command_line_args=args)
config = json.load(open(value("--config")))
section = config["env"][value("--env")] if value("--env") else config
name, dry = section["name"], "--dry-run" in args
code = open(section.get("main", config.get("main"))).read()
if dry:
    if mode == "no-code":
        sys.exit(0)
    os.makedirs(value("--outdir"))
    open(os.path.join(value("--outdir"), "index.js"), "w").write(code)
    record(type="deploy", worker_name=name, version_id=None)
    sys.exit(0)

first = args[0] == "deploy"
if mode == "hang":
    time.sleep(600)
if mode == "garbage":
    open(os.environ["WRANGLER_OUTPUT_FILE_PATH"], "a").write("Uploaded! \x1b[31m{\n")
    sys.exit(0)
if mode == "nothing":
    print("everything went well", file=sys.stderr)
    sys.exit(0)
if mode == "null":
    record(type="version-upload", worker_name=name, version_id=None)
    sys.exit(0)
if mode == "lies":
    record(type="version-upload", worker_name=name, version_id="00000000-0000-0000-0000-000000000000")
    sys.exit(0)
if mode.startswith("stale:"):
    # Nothing is uploaded: an older one is named.
    record(type="version-upload", worker_name=name, version_id=mode[6:])
    sys.exit(0)
if mode == "elsewhere":
    record(type="version-upload", worker_name="another", version_id="00000000-0000-0000-0000-000000000000")
    sys.exit(0)
if mode == "echo":
    print("token", os.environ["CLOUDFLARE_API_TOKEN"], open(value("--secrets-file")).read(), file=sys.stderr)
    sys.exit(7)
if mode == "denied":
    record(type="command-failed", code=10000, message="A request to the Cloudflare API failed.")
    print("Authentication error [code: 10000]", file=sys.stderr)
    sys.exit(1)
if mode == "migration":
    record(type="command-failed", message="This Worker has a pending Durable Object migration, which is refused.")
    sys.exit(1)

bindings = [{"name": key, "type": "plain_text", "text": text} for key, text in section.get("vars", {}).items()]
if value("--secrets-file"):
    assert stat.S_IMODE(os.stat(value("--secrets-file")).st_mode) == 0o600, "others can read the secrets"
    secrets = json.load(open(value("--secrets-file")))
    assert not any(text in " ".join(args) for text in secrets.values()), "a secret in the arguments"
    bindings += [{"name": key, "type": "secret_text", "text": text} for key, text in secrets.items()]
annotations = {"workers/message": value("--message"), "workers/tag": value("--tag")}
metadata = {"main_module": "index.js", "bindings": bindings, "annotations": annotations, "keep_bindings": ["secret_text"]}
parts = "".join(
    f'--b\r\nContent-Disposition: form-data; name="{part}"\r\n\r\n{text}\r\n'
    for part, text in (("metadata", json.dumps(metadata)), ("index.js", code))
)
base, account = os.environ["CLOUDFLARE_API_BASE_URL"], os.environ["CLOUDFLARE_ACCOUNT_ID"]
url = f"{base}/accounts/{account}/workers/scripts/{name}" + ("" if first else "/versions")
request = urllib.request.Request(url, (parts + "--b--").encode(), method="PUT" if first else "POST")
request.add_header("authorization", "Bearer " + os.environ["CLOUDFLARE_API_TOKEN"])
request.add_header("content-type", "multipart/form-data; boundary=b")
result = json.load(urllib.request.urlopen(request))["result"]
made = result["id"]
if first:
    raw = result["deployment_id"]
    made = "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
record(type="deploy" if first else "version-upload", worker_name=name, version_id=made)
"#;
