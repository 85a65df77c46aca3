//! Many repos of one organisation in a scratch folder, with agents and coordinators that are real processes.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use support::{Finished, Run, Scratch};

use crate::world::{PATIENCE, comes_true, until};

/// The checkouts, their `INFRA_HOME`, and the log that their deploys write.
pub(crate) struct Fleet {
    pub(crate) scratch: Scratch,
    started: Cell<usize>,
}

/// A program that goes on by itself; killed at the end of its test.
pub(crate) struct Process {
    child: std::process::Child,
    output: PathBuf,
}

impl Fleet {
    /// These repos, each with those it waits for.
    pub(crate) fn new(name: &str, repos: &[(&str, &[&str])]) -> Self {
        let fleet = Fleet { scratch: Scratch::new(name), started: Cell::new(0) };
        let declared: String = repos
            .iter()
            .map(|(repo, after)| {
                let after: Vec<String> = after.iter().map(|name| format!("\"{name}\"")).collect();
                format!("[repos.{repo}]\nafter = [{}]\n", after.join(", "))
            })
            .collect();
        for (repo, _) in repos {
            fleet.repo(repo, &declared);
        }
        let cargo = format!("#!/bin/sh\nshift\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_fleet"));
        let path = fleet.scratch.write("bin/cargo", cargo);
        drop(Run::new("chmod", Path::new("/")).args(["+x"]).args([path]).finish().expect(0));
        fleet
    }

    /// One repo with these settings beside its project.
    pub(crate) fn repo(&self, repo: &str, more: &str) {
        let project =
            format!("[project]\nname = \"{repo}\"\nkind = \"api\"\norg = \"acme\"\n[env.staging]\n");
        self.scratch.write(&format!("checkouts/{repo}/infra.toml"), format!("{project}{more}"));
    }

    /// Makes a commit of a checkout, which is all of it.
    pub(crate) fn commit(&self, repo: &str) {
        let folder = self.scratch.join("checkouts").join(repo);
        self.scratch.write(&format!("checkouts/{repo}/.gitignore"), "behaves\n");
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@localhost"];
        for args in
            [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--no-gpg-sign", "-m", "all"]]
        {
            drop(Run::new("git", &folder).args(who).args(args).finish().expect(0));
        }
    }

    /// How the deploy of a repo behaves from now on.
    pub(crate) fn behaves(&self, repo: &str, how: &str) {
        self.scratch.write(&format!("checkouts/{repo}/behaves"), how);
    }

    fn variables(&self) -> [(&'static str, String); 4] {
        let path = infra_sdk::Env::of_process().expect("an environment");
        let path = path.get("PATH").unwrap_or_default().to_owned();
        [
            ("PATH", format!("{}:{path}", self.scratch.join("bin").display())),
            ("INFRA_HOME", self.scratch.join("home").display().to_string()),
            ("FLEET_LOG", self.scratch.join("log").display().to_string()),
            ("USER", "ada".into()),
        ]
    }

    /// Runs a command of a repo's xtask to its end.
    pub(crate) fn run(&self, repo: &str, args: &[&str], code: i32) -> Finished {
        let folder = self.scratch.join("checkouts").join(repo);
        let mut run = Run::new(env!("CARGO_BIN_EXE_fleet"), &folder).args(args);
        for (name, value) in self.variables() {
            run = run.env(name, value);
        }
        let finished = run.finish();
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
        finished.expect(code)
    }

    /// Starts a command of a repo's xtask.
    pub(crate) fn start(&self, repo: &str, args: &[&str]) -> Process {
        self.start_by(&[env!("CARGO_BIN_EXE_fleet")], repo, args)
    }

    /// Starts a command of a repo's xtask on a terminal of its own; what it says is all that the terminal is sent.
    pub(crate) fn on_terminal(&self, repo: &str, args: &[&str]) -> Process {
        let person = "import os, pty, sys; os.environ['TERM'] = 'xterm'; \
                      sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        self.start_by(&["python3", "-c", person, env!("CARGO_BIN_EXE_fleet")], repo, args)
    }

    fn start_by(&self, program: &[&str], repo: &str, args: &[&str]) -> Process {
        self.started.set(self.started.get() + 1);
        let output = self.scratch.write(&format!("output/{}", self.started.get()), "");
        let file = || Stdio::from(std::fs::OpenOptions::new().append(true).open(&output).expect("just made"));
        #[expect(clippy::disallowed_types, reason = "it must be met while it runs, and die without a chance")]
        let mut command = std::process::Command::new(program[0]);
        command.args(&program[1..]).args(args).current_dir(self.scratch.join("checkouts").join(repo));
        command.envs(self.variables()).env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(file()).stderr(file());
        Process { child: command.spawn().expect("it starts"), output }
    }

    /// Starts an agent that serves every checkout.
    pub(crate) fn agent(&self, more: &[&str]) -> Process {
        let folder = self.scratch.join("checkouts").display().to_string();
        let args = ["infra:deploy:agent", "--checkouts", &folder, "--lease", "5s"];
        self.start("api", &[&args, more].concat())
    }

    /// Starts a deploy of all repos.
    pub(crate) fn all(&self, more: &[&str]) -> Process {
        self.start("api", &[&["infra:deploy:all", "--lease", "5s"], more].concat())
    }

    /// What the deploys wrote down so far.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.scratch.join("log")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    /// How far a run is.
    pub(crate) fn status(&self, run: &str) -> Value {
        let done = self.run("api", &["infra:deploy:status", run, "--output", "json"], 0);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
    }

    /// The state of each repo, as `api done`.
    pub(crate) fn states(&self, run: &str) -> Vec<String> {
        let status = self.status(run);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let repos = status["repos"].as_array().expect("repos");
        repos.iter().map(|repo| format!("{} {}", text(&repo["repo"]), text(&repo["state"]))).collect()
    }

    /// The lines of a file of JSON lines below the organisation's folder.
    pub(crate) fn lines(&self, path: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.scratch.join("home/acme").join(path)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line of JSON")).collect()
    }

    /// Checks what must hold of every log: a repo begins after those it waits for have ended, and never twice at a time.
    pub(crate) fn check_log(&self, log: &[String], after: &[(&str, &[&str])]) {
        let mut running: Vec<&str> = Vec::new();
        let mut ended: Vec<&str> = Vec::new();
        for line in log {
            let (repo, what) = line.split_once(' ').expect("repo and what");
            if what.starts_with("start") {
                assert!(!running.contains(&repo), "{repo} runs twice at a time: {log:?}");
                let waits = after.iter().find(|(name, _)| *name == repo).map_or(&[][..], |(_, waits)| waits);
                assert!(waits.iter().all(|name| ended.contains(name)), "{repo} began too early: {log:?}");
                running.push(repo);
            } else {
                running.retain(|name| *name != repo);
                if what.starts_with("end") {
                    ended.push(repo);
                }
            }
        }
        assert_eq!(running, [""; 0], "nothing is left running: {log:?}");
    }
}

impl Process {
    /// Everything it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub(crate) fn says(&self, text: &str) {
        assert!(comes_true(PATIENCE, || self.said().contains(text)), "{text:?} is not in\n{}", self.said());
    }

    /// The name of the run that it started.
    pub(crate) fn run(&self) -> String {
        let name = || {
            let said = self.said();
            let line = said.lines().find_map(|line| line.strip_prefix("run ")?.split_once(':'))?;
            Some(line.0.to_owned())
        };
        until("a run is started", || name().is_some());
        name().expect("just seen")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits for its end and gives its exit code.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let child = &mut self.child;
        until("a program ends", || child.try_wait().expect("it is ours").is_some());
        let code = self.child.wait().expect("it is ours").code();
        (code, self.said())
    }

    /// Sends it a signal, such as `INT`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let kill = Run::new("kill", Path::new("/")).args([&format!("-{signal}"), &pid]).finish();
        drop(kill.expect(0));
    }

    /// Kills it without a chance.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended already takes no signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
