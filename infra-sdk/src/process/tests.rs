//! Small real programs, started for real.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind};
use crate::mask::Masks;
use crate::process::output::lock;
use crate::process::{Cmd, Detached, LineSink, Stream, group};
use crate::secret::SecretValue;

#[derive(Default)]
struct Seen(Mutex<Vec<(Stream, String)>>);

impl LineSink for Seen {
    fn line(&self, stream: Stream, line: &str) {
        lock(&self.0).push((stream, line.to_owned()));
    }
}

impl Seen {
    fn of(&self, stream: Stream) -> Vec<String> {
        lock(&self.0).iter().filter(|(from, _)| *from == stream).map(|(_, line)| line.clone()).collect()
    }
}

fn sh(script: &str) -> Cmd {
    Cmd::new("sh").args(["-c", script]).grace(Duration::from_secs(5))
}

fn scratch() -> PathBuf {
    let path = std::env::temp_dir().join(format!("infra-sdk-process-{}", crate::id::short().unwrap()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Waits for what another process does soon; fails when it does not.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The process ids a script wrote, one line each, once there are `count` of them.
async fn pids(file: &std::path::Path, count: usize) -> Vec<u32> {
    eventually("process ids", || {
        let text = std::fs::read_to_string(file).ok()?;
        let complete = text.lines().count() == count && text.ends_with('\n');
        complete.then(|| text.lines().map(|line| line.trim().parse().unwrap()).collect())
    })
    .await
}

fn dead(pids: &[u32]) -> bool {
    pids.iter().all(|pid| group::started(*pid).is_none())
}

/// A shell that writes its own process id and that of a grandchild, and waits for it.
fn family(file: &std::path::Path, trap: &str) -> Cmd {
    sh(&format!("{trap}; (echo $$; sh -c 'echo $$; exec sleep 600' & wait) >> {} & wait", file.display()))
}

#[tokio::test]
async fn lines_reach_the_sink_and_the_exit_code_is_passed_on() {
    let seen = Arc::new(Seen::default());
    sh("echo one; echo two >&2; printf three").sink(seen.clone()).run().await.unwrap();
    assert_eq!(seen.of(Stream::Out), ["one", "three"]);
    assert_eq!(seen.of(Stream::Err), ["two"]);

    let error = sh("echo why >&2; exit 7").run().await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Failed, Some(7)));
    let report = error.report().to_string();
    assert!(
        report.contains("exit code: 7") && report.contains("why") && report.contains("next: "),
        "{report}"
    );

    let error = sh("kill -9 $$").run().await.unwrap_err();
    assert_eq!(error.exit_code(), Some(137));
    assert!(error.to_string().contains("signal: 9"), "{error}");
}

#[tokio::test]
async fn read_gives_standard_output_without_its_last_newline() {
    assert_eq!(sh("printf 'a\\n\\n'; echo no >&2").read().await.unwrap(), "a\n");
    assert_eq!(sh("printf 'a\\r\\n'").read().await.unwrap(), "a");
    assert_eq!(sh("printf '\\377'").read().await.unwrap_err().kind(), ErrorKind::Invalid);
    let error = sh("echo captured-value; echo reason >&2; exit 3").read().await.unwrap_err();
    assert!(error.report().to_string().contains("\n    reason"), "{}", error.report());
    assert_eq!(error.report().to_string().matches("captured-value").count(), 1, "only in the command line");
}

#[tokio::test]
async fn output_takes_any_end_and_shows_nothing_in_debug() {
    let finished = sh("echo out; echo err >&2; exit 3").output().await.unwrap();
    assert_eq!((finished.code, finished.signal), (Some(3), None));
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    assert!(!finished.success() && !format!("{finished:?}").contains("out\n"));
    let finished = sh("kill -15 $$").output().await.unwrap();
    assert_eq!((finished.code, finished.signal), (None, Some(15)));
}

#[tokio::test]
async fn any_amount_of_bytes_is_folded_as_it_is_and_a_failure_still_counts() {
    let push = |all: &mut Vec<u8>, piece: &[u8]| all.extend_from_slice(piece);
    let masks = Masks::new();
    masks.add(&SecretValue::new("hunter2"));
    let cmd = sh("printf 'hunter2\\n\\377\\000x\\r'; echo loud >&2").masks(masks);
    assert_eq!(cmd.fold(Vec::new(), push).await.unwrap(), b"hunter2\n\xff\0x\r");
    let count = |all: &mut usize, piece: &[u8]| *all += piece.len();
    let large = sh("cat").stdin(vec![7; 3_000_000]).fold(0, count).await.unwrap();
    assert_eq!(large, 3_000_000);
    let error = sh("echo out; echo why >&2; exit 3").fold(Vec::new(), push).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Failed && error.report().to_string().contains("why"), "{error:?}");
    // A grandchild that holds the output open: what it prints later is lacking.
    let error = sh("sleep 3 & echo out").fold(Vec::new(), push).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn more_output_than_is_wanted_ends_the_program() {
    let mut cmd = Cmd::new("yes");
    cmd.capture_limit = 100_000;
    let error = cmd.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("more than can be captured"), "{error}");
}

#[tokio::test]
async fn a_missing_program_a_missing_folder_and_a_plain_file_are_told_apart() {
    let error = Cmd::new("no-such-program-here").run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hints()[0].contains("install `no-such-program-here`"), "{:?}", error.hints());

    let error = sh("true").dir("/no/such/folder").run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("working folder") && error.to_string().contains("/no/such/folder"));

    let folder = scratch();
    let file = folder.join("tool");
    std::fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    let error = Cmd::new(&file).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = Cmd::new(&file).run().await.unwrap_err();
    assert!(error.hints()[0].contains("first line"), "{:?}", error.hints());
    assert_eq!(sh("true").dir(&file).run().await.unwrap_err().kind(), ErrorKind::Invalid);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_secret_is_masked_although_it_is_printed_in_two_parts() {
    let (seen, masks) = (Arc::new(Seen::default()), Masks::new());
    let token = SecretValue::new("first-part-second-part");
    sh("printf 'a first-part'; sleep 0.2; printf '%s\\n' -second-part; echo \"$TOKEN\"; cat; exit 0")
        .env_secret("TOKEN", &token)
        .stdin_secret(&SecretValue::new("from-input"))
        .masks(masks.clone())
        .sink(seen.clone())
        .run()
        .await
        .unwrap();
    assert_eq!(seen.of(Stream::Out), ["a ***", "***", "***"]);
    assert_eq!(masks.apply("first-part-second-part"), "***", "the run knows it from now on");

    let cmd = sh("echo \"oops $TOKEN\"; exit 1").env_secret("TOKEN", &token).stdin("typed-in");
    let shown = format!("{cmd:?}");
    assert!(shown.contains("TOKEN") && !shown.contains("first-part") && !shown.contains("typed"), "{shown}");
    let report = cmd.run().await.unwrap_err().report().to_string();
    assert!(report.contains("oops ***") && !report.contains("first-part-second"), "{report}");
}

#[tokio::test]
async fn the_environment_is_inherited_and_then_changed() {
    let print = "printf %s \"$A-$B-${PATH:+path}\"";
    let text = sh(print).env("A", "1").env("B", "2").env_remove("A").read().await.unwrap();
    assert_eq!(text, "-2-path");
    let text =
        Cmd::new("/bin/sh").args(["-c", "printf %s \"$A-$B\""]).env("A", "1").env_clear().env("B", "2");
    assert_eq!(text.read().await.unwrap(), "-2");
}

#[tokio::test]
async fn a_megabyte_both_ways_does_not_block() {
    let input = "0123456789abcde\n".repeat(65_536);
    let finished = sh("tee /dev/stderr").stdin(input.clone()).output().await.unwrap();
    assert!(finished.stdout == input && finished.stderr == input);
}

#[tokio::test]
async fn a_program_that_does_not_read_its_input_is_no_error() {
    sh("exit 0").stdin(vec![b'x'; 1_000_000]).run().await.unwrap();
    assert_eq!(Cmd::new("cat").read().await.unwrap(), "", "without input there is an empty one");
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_pipe_does_not_hold_up_the_end() {
    let folder = scratch();
    let file = folder.join("pids");
    let begin = Instant::now();
    let finished =
        sh(&format!("printf done; sleep 600 & echo $! > {}", file.display())).output().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60) && finished.stdout == "done");
    let left = pids(&file, 1).await;
    assert!(!dead(&left), "a program may leave a daemon behind when it ends by itself");
    sh(&format!("kill -9 {}", left[0])).run().await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn cancelling_ends_the_whole_family_before_it_returns() {
    let folder = scratch();
    let file = folder.join("pids");
    let cancel = CancelToken::new();
    let running = tokio::spawn(family(&file, "true").cancel(cancel.clone()).run());
    let family = pids(&file, 2).await;
    cancel.cancel();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Cancelled, Some(130)));
    assert!(dead(&family));
    assert_eq!(sh("true").cancel(cancel).run().await.unwrap_err().kind(), ErrorKind::Cancelled);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_ignores_the_request_to_end_is_killed_after_the_grace() {
    let folder = scratch();
    let file = folder.join("pids");
    let cancel = CancelToken::new();
    let cmd = family(&file, "trap '' TERM").grace(Duration::from_millis(300)).cancel(cancel.clone());
    let running = tokio::spawn(cmd.run());
    let family = pids(&file, 2).await;
    let begin = Instant::now();
    cancel.cancel();
    running.await.unwrap().unwrap_err();
    assert!(begin.elapsed() >= Duration::from_millis(300) && dead(&family));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_grandchild_may_use_the_grace_to_end_well() {
    let folder = scratch();
    let (file, cleaned) = (folder.join("pids"), folder.join("cleaned"));
    let work = format!(
        "trap 'sleep 0.3; echo yes > {}; exit' TERM; sleep 600 & echo $$ >> {}; wait",
        cleaned.display(),
        file.display()
    );
    let cancel = CancelToken::new();
    // The leader dies of the request at once; its child needs a moment.
    let cmd = Cmd::new("sh").args(["-c", "sh -c \"$0\" & wait", &work]).cancel(cancel.clone());
    let running = tokio::spawn(cmd.run());
    pids(&file, 1).await;
    cancel.cancel();
    running.await.unwrap().unwrap_err();
    assert_eq!(std::fs::read_to_string(&cleaned).unwrap(), "yes\n");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_deadline_ends_the_program() {
    let error = sh("echo waiting; sleep 600").deadline(Duration::from_secs(2)).run().await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::TimedOut, Some(124)));
    assert!(error.report().to_string().contains("waiting"), "{}", error.report());
}

#[tokio::test]
async fn dropping_the_future_ends_the_whole_family() {
    let folder = scratch();
    let file = folder.join("pids");
    let running = tokio::spawn(family(&file, "true").run());
    let family = pids(&file, 2).await;
    running.abort();
    eventually("the family to end", || dead(&family).then_some(())).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn many_programs_run_at_the_same_time() {
    let folder = scratch();
    // Each waits for all to have started: this ends only if none waits for a thread.
    let script = format!(
        "echo x >> {0}/all; while [ $(wc -l < {0}/all) -lt 40 ]; do sleep 0.05; done",
        folder.display()
    );
    let running: Vec<_> =
        (0..40).map(|_| tokio::spawn(sh(&script).deadline(Duration::from_secs(60)).run())).collect();
    for one in running {
        one.await.unwrap().unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_detached_program_lives_on_and_is_stopped_with_its_family() {
    let folder = scratch();
    let (file, log) = (folder.join("pids"), folder.join("log"));
    std::fs::write(&log, "before\n").unwrap();
    let service = family(&file, "echo up").start_detached(&log).unwrap();
    let family = pids(&file, 2).await;
    assert!(service.is_alive() && !service.is_alive_elsewhere());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "before\nup\n");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = serde_json::to_string(&service).unwrap();
    let again: Detached = serde_json::from_str(&text).unwrap();
    assert!(again.stop(Duration::from_secs(5)).await.unwrap());
    assert!(dead(&family) && !service.is_alive());
    assert!(!service.stop(Duration::from_secs(5)).await.unwrap());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_an_interactive_program_cannot_do_is_said() {
    let error: Error = sh("true").interactive().read().await.unwrap_err();
    assert!(error.to_string().contains("interactive"), "{error}");
    sh("exit 0").interactive().run().await.unwrap();
}

impl Detached {
    /// Whether a later process with the same number would be taken for this one.
    fn is_alive_elsewhere(&self) -> bool {
        cfg!(target_os = "linux") && Detached { started: self.started + 1, ..self.clone() }.is_alive()
    }
}

#[tokio::test]
async fn a_program_can_be_asked_to_end_by_interrupt_and_two_sinks_hear_what_it_says() {
    let (one, two) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
    let cancel = CancelToken::new();
    let script = "trap 'echo in order; exit 0' INT; trap 'echo torn; exit 1' TERM; echo ready; \
                  while :; do sleep 0.02; done";
    let cmd = sh(script).end_by_interrupt().cancel(cancel.clone()).sink(one.clone()).tee(two.clone());
    let running = tokio::spawn(cmd.run());
    eventually("the program", || (!two.of(Stream::Out).is_empty()).then_some(())).await;
    cancel.cancel();
    assert_eq!(running.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(two.of(Stream::Out), ["ready", "in order"]);
    assert_eq!(one.of(Stream::Out), two.of(Stream::Out));
}
