//! Running a program to its end with a clean environment, and looking at everything it did.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A program to run: an environment without CI, colour or this process's `INFRA_*`.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "tests look at a program from outside")]
pub struct Run {
    command: std::process::Command,
    /// Whether it is a reader of the test's own, which prints values for the test to compare.
    reveals: bool,
}

/// What a program did.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; 128 + n for signal n.
    pub code: i32,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Run {
    /// Runs `program` in `dir`.
    #[expect(clippy::disallowed_types, reason = "tests look at a program from outside")]
    #[expect(
        clippy::disallowed_methods,
        reason = "the child's environment is this one's, less what changes behaviour"
    )]
    pub fn new(program: impl Into<OsString>, dir: &Path) -> Self {
        let mut command = std::process::Command::new(program.into());
        command.current_dir(dir).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            let changes =
                ["INFRA_", "GITHUB_", "GH_", "TF_", "AWS_", "R2_", "CLOUDFLARE_", "CARGO_BUILD_", "NATS_"]
                    .iter()
                    .any(|p| name_text.starts_with(p));
            if changes || ["CI", "NO_COLOR", "CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR"].contains(&&*name_text)
            {
                command.env_remove(name);
            }
        }
        Run { command, reveals: false }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets it print values: it is no program of this project, but what a test reads a store with.
    #[must_use]
    pub fn reveals(mut self) -> Self {
        self.reveals = true;
        self
    }

    /// Runs it for at most ten minutes.
    pub fn finish(mut self) -> Finished {
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {:?}: {error}", self.command.get_program()));
        let drain = |mut pipe: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let stdout = drain(Box::new(child.stdout.take().expect("it is piped")));
        let stderr = drain(Box::new(child.stderr.take().expect("it is piped")));
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                break status;
            }
            if start.elapsed() > Duration::from_secs(600) {
                let _ = child.kill();
                panic!("{:?} ran for ten minutes", self.command.get_program());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text =
            |thread: std::thread::JoinHandle<String>| thread.join().expect("the reader does not panic");
        let finished = Finished { code: code(status), stdout: text(stdout), stderr: text(stderr) };
        if !self.reveals {
            finished.shows_no_canary();
        }
        finished
    }
}

/// The beginning of every secret value in the tests, as it is and in base64 at each of its three offsets. No program that
/// any test runs may print it, whatever else the test is about.
const CANARIES: [&str; 4] = ["canary-", "Y2FuYXJ5L", "bmFyeS", "YW5hcnkt"];

impl Finished {
    fn shows_no_canary(&self) {
        for (stream, text) in [("output", &self.stdout), ("error", &self.stderr)] {
            let shown = CANARIES.iter().find_map(|canary| text.lines().find(|line| line.contains(canary)));
            assert!(shown.is_none(), "standard {stream} shows a secret value: {shown:?}");
        }
    }

    /// Panics with everything the program said unless it ended with `code`.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Panics unless standard error has each of these texts.
    pub fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in\n--- stderr\n{}", self.stderr);
        }
    }
}

fn code(status: std::process::ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}
