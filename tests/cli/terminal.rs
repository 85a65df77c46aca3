//! What a person at a terminal sees: questions, colour, passwords that stay unseen, and Ctrl-C.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use support::{Run, Scratch};

use crate::{INFRA_TOML, shop};

/// Plays a person: waits for texts on a terminal of its own, and types. Prints what the terminal showed as JSON.
const PERSON: &str = r#"
import fcntl, json, os, pty, re, select, signal, sys, termios, time
steps, argv = json.loads(sys.argv[1]), sys.argv[2:]
master, slave = pty.openpty()
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(slave, fd)
    os.execv(argv[0], argv)
screen, seen, status = b"", 0, None
def echo(): return bool(termios.tcgetattr(slave)[3] & termios.ECHO)
def look(seconds):
    global screen
    while select.select([master], [], [], seconds)[0]:
        screen += os.read(master, 65536)
        seconds = 0
def until(what, holds):
    end = time.monotonic() + 30
    while not holds():
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            sys.exit(f"waited in vain for {what}\n--- screen\n{screen.decode(errors='replace')}")
        look(0.02)
def ended():
    global status
    if status is None:
        pid, code = os.waitpid(child, os.WNOHANG)
        if pid: status = os.waitstatus_to_exitcode(code)
    return status is not None
def shown(text):
    global seen
    at = screen.find(text, seen)
    if at >= 0: seen = at + len(text)
    return at >= 0
for verb, value in steps:
    if verb == "see": until(repr(value), lambda: shown(value.encode()))
    elif verb == "echo": until(f"echo {value}", lambda: echo() == value)
    elif verb == "type": os.write(master, value.encode())
began = time.monotonic()
until("the end", ended)
took = time.monotonic() - began
look(0.05)
print(json.dumps({"screen": screen.decode(errors="replace"), "code": status, "echo": echo(), "took": took}))
"#;

/// What a terminal showed until its program ended.
#[derive(Debug, Deserialize)]
struct Terminal {
    /// Everything, escape sequences included.
    screen: String,
    /// The exit code; negative for a signal.
    code: i32,
    /// Whether the terminal shows what is typed.
    echo: bool,
    /// Seconds from the last step to the end.
    took: f64,
}

impl Terminal {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "--- screen\n{}", self.screen);
        assert!(self.echo, "the terminal was left without echo");
        self
    }

    #[track_caller]
    fn shows(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.screen.contains(text), "{text:?} is not on\n--- screen\n{}", self.screen);
        }
        self
    }

    #[track_caller]
    fn never_shows(&self, text: &str) -> &Self {
        assert!(!self.screen.contains(text), "{text:?} is on\n--- screen\n{}", self.screen);
        self
    }

    /// How often a text stands there.
    fn count(&self, text: &str) -> usize {
        self.screen.matches(text).count()
    }
}

/// A step: waits for a text after the last one.
fn see(text: &str) -> serde_json::Value {
    json!(["see", text])
}

/// A step: types keys; `\u{3}` is Ctrl-C.
fn keys(text: &str) -> serde_json::Value {
    json!(["type", text])
}

/// A step: waits until the terminal no longer shows what is typed.
fn hidden() -> serde_json::Value {
    json!(["echo", false])
}

fn person(scratch: &Scratch, args: &[&str], steps: &[serde_json::Value], vars: &[(&str, &str)]) -> Terminal {
    let mut run = Run::new("python3", &scratch.join("repo"))
        .args(["-c", PERSON, &json!(steps).to_string(), env!("CARGO_BIN_EXE_consumer")])
        .args(args)
        .env("TERM", "xterm-256color")
        .env("INFRA_HOME", scratch.join("home"));
    for (name, value) in vars {
        run = run.env(name, value);
    }
    serde_json::from_str(&run.finish().expect(0).stdout).expect("the script prints JSON")
}

const ASKED: &str = "Run this? [y/N]";

#[test]
fn a_dangerous_task_asks_once_with_the_plan_before_anything_runs() {
    let scratch = shop(INFRA_TOML);
    let done = person(&scratch, &["deploy"], &[see(ASKED), keys("y\n")], &[]).expect(0);
    done.shows(&["Plan for environment `local`:", "! dangerous", "built the thing", "shipped 42 to local"]);
    assert_eq!(done.count(ASKED), 1, "{}", done.screen);
    let order =
        [". build", ". deploy", ASKED, "built the thing", "shipped"].map(|text| done.screen.find(text));
    assert!(order.is_sorted(), "{order:?}\n{}", done.screen);

    for answer in ["n\n", "\n", "yep\n"] {
        let refused = person(&scratch, &["deploy"], &[see(ASKED), keys(answer)], &[]).expect(3);
        refused.shows(&["nothing was run"]).never_shows("built the thing");
    }
    // The end of the input, Ctrl-D, is no answer.
    person(&scratch, &["deploy"], &[see(ASKED), keys("\u{4}")], &[]).expect(3).never_shows("built the thing");
}

#[test]
fn a_task_confirmed_by_a_flag_or_without_danger_asks_nothing() {
    let scratch = shop(INFRA_TOML);
    for args in [&["deploy", "--yes=deploy"][..], &["build"]] {
        let done = person(&scratch, args, &[], &[]).expect(0);
        done.shows(&["built the thing"]).never_shows(ASKED);
    }
}

#[test]
fn a_protected_environment_must_be_typed_by_name() {
    let scratch = shop(&format!("{INFRA_TOML}[env.production]\nprotected = true\n"));
    let question = "`production` is protected. Type its name to run this:";
    // The flag confirms the task, not the environment.
    let args = ["deploy", "--env", "production", "--yes=deploy"];
    let done = person(&scratch, &args, &[see(question), keys("production\n")], &[]).expect(0);
    done.shows(&["(protected)", "shipped 42 to production"]);
    for answer in ["y\n", "yes\n", "prod\n", "Production\n", "\n"] {
        let refused = person(&scratch, &args, &[see(question), keys(answer)], &[]).expect(3);
        refused.shows(&["was not typed"]).never_shows("built the thing");
    }
}

const SECRETS: &str = "[secrets.ALPHA]\ndescription = \"the key of the first door\"\n[secrets.BETA]\n";

#[test]
fn a_secret_is_asked_for_unseen_and_kept_in_the_store_alone() {
    let scratch = shop(&format!("{INFRA_TOML}{SECRETS}"));
    let steps = [
        see("ALPHA"),
        hidden(),
        keys("canary-first-door\n"),
        see("BETA"),
        hidden(),
        keys("canary-second-door\n"),
    ];
    let done = person(&scratch, &["infra:secrets:setup"], &steps, &[]).expect(0);
    done.shows(&["the key of the first door", "2 typed in"]).never_shows("canary");
    assert_eq!(done.count(": :"), 0, "{}", done.screen);
    let store = scratch.join("home/acme/local/secrets/shop/secrets.json");
    for file in files_with(scratch.path(), &["canary", "Y2FuYXJ5"]) {
        assert_eq!(file, store, "a secret lies elsewhere");
    }
    let kept = std::fs::read_to_string(&store).expect("the store was made");
    assert!(kept.contains("canary-first-door") && kept.contains("canary-second-door"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&store.metadata().expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What is stored is not asked for again.
    person(&scratch, &["infra:secrets:setup"], &[], &[]).expect(0).shows(&["2 unchanged"]);
}

#[test]
fn an_interrupt_at_a_password_brings_the_echo_back_and_stores_nothing() {
    let scratch = shop(&format!("{INFRA_TOML}{SECRETS}"));
    let steps = [see("ALPHA"), hidden(), keys("canary-half"), keys("\u{3}")];
    let ended = person(&scratch, &["infra:secrets:setup"], &steps, &[]).expect(130);
    ended.never_shows("canary");
    assert!(files_with(scratch.path(), &["canary"]).is_empty(), "something was stored");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let scratch = shop(INFRA_TOML);
    person(&scratch, &["fail"], &[], &[]).expect(7).shows(&["\u{1b}[31m", "going wrong"]);
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        person(&scratch, &["fail"], &[], &[plain]).expect(7).shows(&["going wrong"]).never_shows("\u{1b}[3");
    }
    let piped = crate::xtask(&scratch, &["fail"]).finish().expect(7);
    assert!(!format!("{}{}", piped.stdout, piped.stderr).contains('\u{1b}'), "{}", piped.stderr);
}

#[test]
fn the_first_interrupt_ends_what_runs_with_its_children() {
    let scratch = shop(INFRA_TOML);
    let ended = person(&scratch, &["wait"], &[see("started"), see("\n"), keys("\u{3}")], &[]).expect(130);
    ended.shows(&["interrupted: stopping"]);
    gone(&started(&ended));
}

#[test]
fn the_second_interrupt_kills_what_will_not_end() {
    let scratch = shop(INFRA_TOML);
    let steps = [see("started"), see("\n"), keys("\u{3}"), see("once more to kill"), keys("\u{3}")];
    let ended = person(&scratch, &["stubborn"], &steps, &[]).expect(130);
    ended.shows(&["interrupted again: killed"]);
    assert!(ended.took < 30.0, "it waited for the grace period");
    gone(&started(&ended));
}

/// The process ids after the word `started`.
fn started(terminal: &Terminal) -> Vec<String> {
    let line = terminal.screen.lines().find_map(|line| line.split_once("started ")).expect("it started").1;
    let ids: Vec<String> = line.split_whitespace().map(String::from).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| id.parse::<u32>().is_ok()), "{line}");
    ids
}

/// Waits until none of the processes is left, but for those that only wait to be collected.
fn gone(ids: &[String]) {
    let begun = Instant::now();
    loop {
        let alive =
            Run::new("ps", Path::new("/")).args(["-o", "stat=", "-p", &ids.join(",")]).finish().stdout;
        if alive.lines().all(|state| state.trim_start().starts_with('Z')) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "survivors: {alive}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The files below a folder that hold one of the texts.
fn files_with(folder: &Path, texts: &[&str]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
        } else {
            let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
            found.extend(texts.iter().any(|text| content.contains(text)).then_some(path));
        }
    }
    found
}
