//! `infra:dev`: the app with what it needs, and nothing left when it ends, however that comes about.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::Run;

use crate::world::{PATIENCE, World, until, until_within};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// An `infra:dev` that goes on by itself; killed with its value.
pub(crate) struct Dev {
    child: std::process::Child,
    said: PathBuf,
}

impl Dev {
    /// Starts it, with these variables beside those of the test.
    #[expect(clippy::disallowed_types, reason = "it is met while it runs, and dies without a chance")]
    pub(crate) fn start(world: &World, set: &[(&str, &str)]) -> Self {
        let said = world.scratch.join(format!("said-{}", infra_sdk::id::short().expect("randomness")));
        let file = std::fs::File::create(&said).expect("the scratch folder is writable");
        let other = file.try_clone().expect("a second handle");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_product"));
        command.arg("infra:dev").current_dir(world.scratch.join("shop-api"));
        command.env("INFRA_HOME", world.scratch.join("home")).env_remove("CI");
        for name in ["NATS_URL", "NATS_CONTEXT", "INFRA_ENV", "GITHUB_ACTIONS"] {
            command.env_remove(name);
        }
        command.envs(set.iter().copied()).stdin(std::process::Stdio::null()).stdout(file).stderr(other);
        Dev { child: command.spawn().expect("it starts"), said }
    }

    /// Everything it said so far; never a value.
    pub(crate) fn said(&self) -> String {
        let said = std::fs::read_to_string(&self.said).expect("its output");
        assert!(!said.contains("canary-"), "{said}");
        said
    }

    /// Waits until it has said something, and gives the rest of that line.
    pub(crate) fn says(&self, text: &str) -> String {
        self.says_within(text, PATIENCE)
    }

    /// The same of what takes long to begin.
    pub(crate) fn says_within(&self, text: &str, patience: Duration) -> String {
        until_within(&format!("{text:?} in what it says, {}", self.said.display()), patience, || {
            self.said().split_once(text).is_some_and(|(_, rest)| rest.contains('\n'))
        });
        let said = self.said();
        said.split_once(text).and_then(|(_, rest)| rest.lines().next()).unwrap_or_default().to_owned()
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(self.child.id(), signal);
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("it is ours").code()
    }

    /// Interrupts it, as Ctrl-C does, and waits for its end.
    pub(crate) fn interrupt(mut self) {
        self.signal("INT");
        assert_eq!(self.code(), Some(130), "{}", self.said());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn kill(pid: u32, signal: &str) {
    drop(Run::new("kill", Path::new("/")).args([&format!("-{signal}"), &pid.to_string()]).finish().expect(0));
}

/// A world whose product runs this.
pub(crate) fn world(name: &str, more: &str) -> World {
    let world = World::ready(name);
    world.configure(more);
    world
}

/// The processes of this world's `infra:dev`: guards, and what was started.
#[cfg(target_os = "linux")]
pub(crate) fn processes(world: &World) -> (Vec<u32>, Vec<u32>) {
    let folder = world.home("local/dev/shop-api").display().to_string();
    let (mut guards, mut started) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir("/proc").expect("a table of processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |name: &str| {
            String::from_utf8_lossy(&std::fs::read(entry.path().join(name)).unwrap_or_default()).into_owned()
        };
        if read("cmdline").contains(&format!("__infra-dev-guard\0{folder}\0")) {
            guards.push(pid);
        } else if read("environ").split('\0').any(|set| set == format!("INFRA_DEV={folder}")) {
            started.push(pid);
        }
    }
    (guards, started)
}

#[cfg(target_os = "linux")]
pub(crate) fn nothing_is_left(world: &World) {
    until("nothing is left running", || processes(world) == (Vec::new(), Vec::new()));
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn nothing_is_left(_: &World) {}

pub(crate) fn get(url: &str, path: &str) -> String {
    let port: u16 = url.rsplit(':').next().expect("a port").parse().expect("a number");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the service listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_app_has_its_references_and_secrets_and_its_lines_its_name() {
    let world = world("dev-app", &format!("[dev]\nrun = [{SERVICE:?}]\n"));
    let dev = Dev::start(&world, &[("SAY", "SESSION_KEY,NETWORK_VPC_NAME"), ("INFRA_AGE_KEY", "AGE-X")]);
    let url = dev.says("ready: ");
    assert_eq!(get(&url, "/env?NETWORK_ZONES"), "a,b");
    assert_eq!(get(&url, "/env?PEPPER").len(), 43);
    assert_eq!(get(&url, "/env?INFRA_AGE_KEY"), "");
    let said = dev.said();
    for line in ["app  │ SESSION_KEY is ***", "app  │ NETWORK_VPC_NAME is vpc-main", "app  │ listening on"]
    {
        assert!(said.contains(line), "{said}");
    }
    dev.interrupt();
    nothing_is_left(&world);
    // The address is the same the next time.
    let again = Dev::start(&world, &[]);
    assert_eq!(again.says("ready: "), url);
    again.interrupt();
    nothing_is_left(&world);
}

#[test]
fn a_value_of_env_is_there_at_once() {
    let world =
        world("dev-dotenv", "[dev]\nrun = [\"sh\", \"-c\", \"test $SESSION_KEY = other-value-of-mine\"]\n");
    world.scratch.write("shop-api/.env", "SESSION_KEY=other-value-of-mine\n");
    let ended = world.shop(&["infra:dev"], 0);
    assert!(ended.stdout.contains("app ended"), "{}", ended.stdout);
}

#[test]
fn the_code_of_a_failing_app_is_passed_on() {
    let world = world("dev-fails", &format!("[dev]\nrun = [{SERVICE:?}]\n"));
    let failed = world.run(world.command("shop-api", &["infra:dev"]).env("BROKEN", "exit"), 7);
    failed.says(&["cannot reach the database", "program of [dev]: app"]);
    nothing_is_left(&world);
}

#[test]
fn the_first_of_several_that_ends_ends_the_others() {
    let more = format!("[dev.run]\napp = [{SERVICE:?}]\nworker = [\"sh\", \"-c\", \"sleep 0.2; exit 3\"]\n");
    let world = world("dev-several", &more);
    world.shop(&["infra:dev"], 3).says(&["program of [dev]: worker"]);
    nothing_is_left(&world);
}

#[test]
fn what_runs_is_shown_without_running_it() {
    let world = world("dev-dry", "[dev]\nrun = [\"cargo\", \"run\"]\n");
    let shown = world.shop(&["infra:dev", "--dry-run"], 0).stdout;
    assert!(shown.contains("start app: cargo run"), "{shown}");
    for name in ["NETWORK_VPC_NAME", "SESSION_KEY", "PORT"] {
        assert!(shown.contains(name), "{shown}");
    }
    assert!(!world.home("local/dev").exists());
}

#[test]
fn nothing_to_run_and_a_program_that_is_not_there_say_what_to_do() {
    let world = world("dev-nothing", "");
    world.shop(&["infra:dev"], 5).says(&["[dev]", "run = [\"cargo\", \"run\"]"]);
    world.configure("[dev]\nrun = [\"no-such-program\"]\n");
    world.shop(&["infra:dev"], 5).says(&["no-such-program", "PATH"]);
    world.configure("[dev]\nrun = [\"true\"]\n[secrets.MISSING]\ndescription = \"x\"\n");
    world.shop(&["infra:dev"], 5).says(&["MISSING"]);
    nothing_is_left(&world);
}

#[test]
fn a_reference_that_is_not_there_yet_is_a_warning() {
    let world = world("dev-reference", "[dev]\nrun = [\"true\"]\n");
    std::fs::remove_dir_all(world.home("local/params")).expect("it was published");
    world.shop(&["infra:dev"], 0).says(&["warning:", "/infrastructure/network"]);
}

#[test]
fn a_taken_port_is_named_with_every_way_out() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let world = world("dev-port", &format!("[dev]\nrun = [{SERVICE:?}]\n[deploy]\nport = {port}\n"));
    let refused = world.shop(&["infra:dev"], 7);
    refused.says(&[&port.to_string(), "another `port` under `[deploy]`", "infra:deploy:stop"]);
    nothing_is_left(&world);
}

#[test]
fn a_second_one_beside_the_first_is_told_whose_turn_it_is() {
    let world = world("dev-second", &format!("[dev]\nrun = [{SERVICE:?}]\n"));
    let first = Dev::start(&world, &[]);
    let url = first.says("ready: ");
    let pid = first.child.id().to_string();
    world.shop(&["infra:dev"], 6).says(&["running already", &format!("kill {pid}")]);
    assert_eq!(get(&url, "/healthz"), "ok");
    first.interrupt();
}

#[test]
fn an_app_that_is_not_healthy_is_told_once_and_goes_on() {
    let more = format!("[dev]\nrun = [{SERVICE:?}]\n[deploy]\nwait = \"1s\"\n");
    let world = world("dev-unhealthy", &more);
    let dev = Dev::start(&world, &[("BROKEN", "503")]);
    assert!(dev.says("warning: not healthy after 1").contains("answered 503"));
    dev.interrupt();
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_app_left_in_a_session_of_its_own_is_ended_too() {
    let script = format!("setsid sleep 300 & exec '{SERVICE}'");
    let world = world("dev-straggler", &format!("[dev]\nrun = [\"sh\", \"-c\", {script:?}]\n"));
    let dev = Dev::start(&world, &[]);
    dev.says("ready: ");
    until("the service and its straggler", || processes(&world).1.len() == 2);
    dev.interrupt();
    nothing_is_left(&world);
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_when_it_is_killed() {
    let world = world("dev-killed", &format!("[dev]\nrun = [{SERVICE:?}]\n"));
    let mut dev = Dev::start(&world, &[]);
    let url = dev.says("ready: ");
    dev.signal("KILL");
    assert_eq!(dev.code(), None);
    nothing_is_left(&world);
    // The next one waits for nobody, and has the same port.
    let again = Dev::start(&world, &[]);
    assert_eq!(again.says("ready: "), url);
    again.interrupt();
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_left_when_its_guard_is_killed_too_is_ended_by_the_next_one() {
    let world = world("dev-guard", &format!("[dev]\nrun = [{SERVICE:?}]\n"));
    let mut dev = Dev::start(&world, &[]);
    dev.says("ready: ");
    let (guards, started) = processes(&world);
    assert_eq!((guards.len(), started.len()), (1, 1));
    kill(guards[0], "KILL");
    until("no guard", || processes(&world).0.is_empty());
    dev.signal("KILL");
    dev.code();
    assert_eq!(processes(&world).1, started);
    let again = Dev::start(&world, &[]);
    again.says("ended what an earlier run left running: ");
    again.says("ready: ");
    assert!(!processes(&world).1.contains(&started[0]));
    again.interrupt();
    nothing_is_left(&world);
}
