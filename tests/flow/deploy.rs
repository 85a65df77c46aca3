//! A local rollout from outside: killed at any moment, met with a taken port, a dead supervisor, a crashing service.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Run, Scratch};

const DEPLOYER: &str = env!("CARGO_BIN_EXE_deployer");
const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// A folder with releases whose service is stopped at the end.
struct Place(Scratch);

impl Place {
    fn new(name: &str) -> Self {
        let place = Place(Scratch::new(name));
        std::fs::create_dir(place.0.join("files")).expect("the scratch folder is writable");
        std::fs::copy(SERVICE, place.0.join("files/service")).expect("the service was built");
        let _ = place.run("build", &[]).finish().expect(0);
        place
    }

    fn folder(&self) -> PathBuf {
        self.0.join("deploy/shop-api")
    }

    fn run(&self, verb: &str, more: &[&str]) -> Run {
        Run::new(DEPLOYER, self.0.path()).args([self.0.path()]).args([verb]).args(more)
    }

    /// The port and nothing else of what the service answers.
    fn get(&self, path: &str) -> String {
        let state = std::fs::read_to_string(self.folder().join("state.json")).expect("a state");
        let port = state.split("\"port\": ").nth(1).and_then(|rest| rest.split(['\n', ',']).next());
        let port: u16 = port.expect("a port").parse().expect("a number");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the service listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
    }

    /// The living supervisors and services of this place.
    fn processes(&self) -> (Vec<u32>, Vec<u32>) {
        let (mut supervisors, mut services) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir("/proc").expect("a table of processes").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let read = |name: &str| {
                String::from_utf8_lossy(&std::fs::read(entry.path().join(name)).unwrap_or_default())
                    .into_owned()
            };
            let folder = self.folder().to_string_lossy().into_owned();
            if read("cmdline").contains(&format!("__infra-supervise\0{folder}\0")) {
                supervisors.push(pid);
            } else if read("cmdline").starts_with(&folder) {
                services.push(pid);
            }
        }
        (supervisors, services)
    }

    fn counts(&self) -> (usize, usize) {
        let (supervisors, services) = self.processes();
        (supervisors.len(), services.len())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let stopped = self.run("stop", &[]).finish();
        if !std::thread::panicking() {
            let _ = stopped.expect(0);
            assert_eq!(self.counts(), (0, 0), "something still runs");
        }
    }
}

/// Starts a rollout and kills it after `delay`, as `kill -9` does.
#[expect(clippy::disallowed_types, reason = "the deployer must die without a chance to clean up")]
fn kill_after(place: &Place, variant: &str, delay: Duration) {
    let mut child = std::process::Command::new(DEPLOYER)
        .arg(place.0.path())
        .args(["rollout", &format!("VARIANT={variant}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    std::thread::sleep(delay);
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

fn kill_9(pid: u32) {
    let _ = Run::new("kill", Path::new("/")).args(["-9", &pid.to_string()]).finish().expect(0);
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not come true");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_rollout_killed_at_any_moment_is_completed_by_the_same_command() {
    let place = Place::new("deploy-kill");
    let begun = Instant::now();
    let _ = place.run("rollout", &["VARIANT=first"]).finish().expect(0);
    // Moments are spread over the time a whole rollout takes, and beyond its end.
    let whole = begun.elapsed() + Duration::from_millis(400);
    for round in 0..24u32 {
        let variant = format!("v{}", round / 2);
        kill_after(&place, &variant, whole * (round * 7 % 24) / 24);
        if round % 4 == 3 {
            let _ = place.run("rollout", &[&format!("VARIANT={variant}")]).finish().expect(0);
            assert_eq!(place.get("/env?VARIANT"), variant);
            until("one supervisor with one service", || place.counts() == (1, 1));
        }
    }
    for release in std::fs::read_dir(place.folder().join("releases")).expect("releases").flatten() {
        assert!(
            release.path().join("release.json").exists(),
            "{} is half a release",
            release.path().display()
        );
    }
}

#[test]
fn a_service_whose_supervisor_was_killed_is_replaced() {
    let place = Place::new("deploy-orphan");
    let _ = place.run("rollout", &[]).finish().expect(0);
    let (supervisors, services) = place.processes();
    kill_9(supervisors[0]);
    until("the supervisor is gone", || place.processes().0.is_empty());
    let status = place.run("status", &[]).finish().expect(0);
    assert!(status.stdout.contains("supervisor is gone"), "{}", status.stdout);
    let _ = place.run("rollout", &[]).finish().expect(0);
    assert_eq!(place.counts(), (1, 1));
    assert_ne!(place.processes().1, services);
    // Killed again, `stop` alone cleans up.
    kill_9(place.processes().0[0]);
}

#[test]
fn a_supervisor_asked_to_end_takes_its_service_with_it() {
    let place = Place::new("deploy-term");
    let _ = place.run("rollout", &[]).finish().expect(0);
    let supervisor = place.processes().0[0].to_string();
    let _ = Run::new("kill", Path::new("/")).args(["-TERM", &supervisor]).finish().expect(0);
    until("nothing runs", || place.counts() == (0, 0));
    let status = place.run("status", &[]).finish().expect(0);
    assert!(status.stdout.contains("it was stopped"), "{}", status.stdout);
    let again = place.run("rollout", &[]).finish().expect(0);
    assert!(again.stdout.contains("now runs"), "{}", again.stdout);
}

#[test]
fn a_service_that_crashes_is_started_again() {
    let place = Place::new("deploy-crash");
    let _ = place.run("rollout", &[]).finish().expect(0);
    let before = place.processes().1;
    kill_9(before[0]);
    until("another service", || {
        let (_, services) = place.processes();
        services.len() == 1 && services != before
    });
}

#[test]
fn a_port_that_somebody_else_has_is_named_before_anything_is_touched() {
    let place = Place::new("deploy-port");
    let _ = place.run("rollout", &["VARIANT=one"]).finish().expect(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("a port").port();
    place
        .run("rollout", &["VARIANT=two", &format!("port={port}")])
        .finish()
        .expect(1)
        .says(&[&format!("port {port} is taken"), "[deploy]"]);
    assert_eq!(place.get("/env?VARIANT"), "one");
}

#[test]
fn a_release_that_never_answers_is_taken_back_after_its_time() {
    let place = Place::new("deploy-hang");
    let _ = place.run("rollout", &["VARIANT=one"]).finish().expect(0);
    let failed = place.run("rollout", &["VARIANT=two", "BROKEN=hang", "wait=2"]).finish().expect(1);
    failed.says(&[
        "did not become healthy within 2.0 s: GET /healthz",
        "did not answer",
        "listening on",
        "serving again: 1",
    ]);
    assert_eq!(place.get("/env?VARIANT"), "one");
    let failed = place.run("rollout", &["VARIANT=two", "BROKEN=503", "wait=1"]).finish().expect(1);
    failed.says(&["answered 503"]);
    assert_eq!(place.get("/env?VARIANT"), "one");
}

#[test]
fn a_program_without_a_health_path_must_keep_running() {
    let place = Place::new("deploy-steady");
    place.run("rollout", &["health=", "BROKEN=exit"]).finish().expect(1).says(&[
        "it ended with exit code 7; given up after 3 starts",
        "cannot reach the database",
        "first release",
    ]);
    assert_eq!(place.counts(), (0, 0));
    let _ = place.run("rollout", &["health=", "BROKEN=hang"]).finish().expect(0);
}

#[test]
fn a_service_gets_only_the_variables_it_was_given() {
    let place = Place::new("deploy-env");
    let _ = place.run("rollout", &["NETWORK=vpc-1"]).env("LEAKED", "yes").finish().expect(0);
    assert_eq!(place.get("/names"), "HOME\nLANG\nNETWORK\nPATH\nPORT\nRELEASE\nTMPDIR");
}

#[test]
fn a_removed_folder_ends_its_service() {
    let place = Place::new("deploy-removed");
    let _ = place.run("rollout", &[]).finish().expect(0);
    std::fs::remove_dir_all(place.folder()).expect("it is ours");
    until("nothing runs", || place.counts() == (0, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = Place::new("deploy-readonly");
    // Not even root may make a folder there.
    std::os::unix::fs::symlink("/sys/kernel", place.0.join("deploy"))
        .expect("the scratch folder is writable");
    place.run("rollout", &[]).finish().expect(1).says(&["deploy/shop-api", "INFRA_HOME"]);
    std::fs::remove_file(place.0.join("deploy")).expect("it is ours");
}
