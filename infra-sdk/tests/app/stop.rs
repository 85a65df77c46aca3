//! Stopping: failures, cancellation, deadlines, panics, and what becomes of the programs.

use std::path::Path;
use std::time::{Duration, Instant};

use infra_sdk::{App, CancelToken, Cx, Error, Result};

use crate::{Scratch, broken, nothing, run, run_on};

async fn wait_for(path: &Path) {
    while std::fs::read_to_string(path).map_or(true, |text| !text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts a shell that has a child of its own; both write their process ids.
async fn family(cx: Cx) -> Result<()> {
    let script = "sleep 60 & echo $! > child; echo $$ > parent; wait";
    cx.cmd("sh").args(["-c", script]).run().await
}

/// A family that does not listen to TERM.
async fn stubborn(cx: Cx) -> Result<()> {
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $! > child; echo $$ > parent; while :; do sleep 1; done";
    cx.cmd("sh").args(["-c", script]).run().await
}

async fn fail_later(cx: Cx) -> Result<()> {
    wait_for(&cx.root().join("parent")).await;
    broken(cx).await
}

#[cfg(target_os = "linux")]
fn assert_gone(folder: &Path) {
    for who in ["parent", "child"] {
        let pid = std::fs::read_to_string(folder.join(who)).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // A zombie is dead: its new parent has only not looked yet.
        let state = stat.rsplit_once(") ").map_or("gone", |(_, rest)| &rest[..1]);
        assert!(matches!(state, "gone" | "Z" | "X"), "the {who} is alive: {stat}");
    }
}

#[cfg(not(target_os = "linux"))]
fn assert_gone(_: &Path) {}

#[test]
fn the_first_failure_ends_the_programs_of_the_other_tasks_with_their_children() {
    let scratch = Scratch::new();
    let mut app = App::new();
    app.root(&scratch.0);
    let long = app.task("long").about("Takes a minute").run(family);
    app.task("after-long").about("Never runs").after(long).run(nothing);
    app.task("fail").about("Fails").run(fail_later);
    let started = Instant::now();
    let ran = run(&app, "after-long fail -j 2");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(ran.code, 1);
    assert_gone(&scratch.0);
    for line in ["long        cancelled", "after-long  not run", "fail        failed"] {
        assert!(ran.err.contains(line), "no {line:?} in\n{}", ran.err);
    }
    assert!(ran.err.ends_with("error: fail: it broke\n  next: mend it\n"), "{}", ran.err);
}

#[test]
fn programs_that_do_not_listen_are_killed_after_the_grace() {
    let scratch = Scratch::new();
    let mut app = App::new();
    app.root(&scratch.0);
    app.task("stubborn").about("Never ends").grace(Duration::from_millis(100)).run(stubborn);
    app.task("fail").about("Fails").run(fail_later);
    assert_eq!(run(&app, "stubborn fail -j 2").code, 1);
    assert_gone(&scratch.0);
}

#[test]
fn a_cancelled_run_ends_its_programs_and_says_so() {
    let scratch = Scratch::new();
    let mut app = App::new();
    app.root(&scratch.0);
    app.task("long").about("Takes a minute").run(family);
    let (cancel, path) = (CancelToken::new(), scratch.0.join("parent"));
    let person = cancel.clone();
    let waiting = std::thread::spawn(move || {
        while std::fs::read_to_string(&path).map_or(true, |text| !text.ends_with('\n')) {
            std::thread::sleep(Duration::from_millis(5));
        }
        person.cancel();
    });
    let ran = run_on(&app, &[], "long", |console| console.cancelled_by(&cancel));
    waiting.join().unwrap();
    assert_eq!(ran.code, 130);
    assert!(ran.err.contains("this command was cancelled"), "{}", ran.err);
    assert_gone(&scratch.0);
}

#[test]
fn a_body_that_ignores_the_cancellation_is_dropped() {
    let mut app = App::new();
    app.task("deaf").about("Never ends").grace(Duration::ZERO).run(|_: Cx| async {
        std::future::pending::<()>().await;
        Ok::<_, Error>(())
    });
    app.task("fail").about("Fails").run(broken);
    let ran = run(&app, "deaf fail -j 2");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("deaf  cancelled"), "{}", ran.err);
}

/// Blocks its thread for ever.
async fn blocked(_: Cx) -> Result<()> {
    let (_kept, nothing_comes) = std::sync::mpsc::channel::<()>();
    let _ = nothing_comes.recv();
    Ok(())
}

#[test]
fn a_body_that_blocks_its_thread_keeps_neither_the_run_nor_the_clock() {
    let mut app = App::new();
    app.task("stuck").about("Blocks").grace(Duration::ZERO).run(blocked);
    app.task("fail").about("Fails").grace(Duration::ZERO).run(broken);
    let ran = run(&app, "stuck fail -j 2");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("1 of the tasks did not stop") && ran.err.contains("stuck  cancelled"),
        "{}",
        ran.err
    );
    let mut app = App::new();
    app.task("stuck").about("Blocks").grace(Duration::ZERO).deadline(Duration::from_millis(50)).run(blocked);
    assert_eq!(run(&app, "stuck").code, 124);
}

#[test]
fn a_task_that_takes_longer_than_its_deadline_fails_and_its_programs_end() {
    let scratch = Scratch::new();
    let mut app = App::new();
    app.root(&scratch.0);
    app.task("slow").about("Takes a minute").deadline(Duration::from_millis(700)).run(family);
    let ran = run(&app, "slow");
    assert_eq!(ran.code, 124);
    assert!(ran.err.contains("took longer than 0.7 s"), "{}", ran.err);
    assert_gone(&scratch.0);
}

#[test]
fn a_panic_is_a_bug_of_the_task_that_is_named() {
    let mut app = App::new();
    app.task("later").about("Panics").run(|_: Cx| async {
        tokio::task::yield_now().await;
        if true {
            panic!("no {}", "way");
        }
        Ok::<_, Error>(())
    });
    app.task("at-once").about("Panics").run(|_: Cx| -> std::future::Ready<Result<()>> { panic!("at once") });
    let ran = run(&app, "later");
    assert_eq!(ran.code, 70);
    assert!(ran.err.contains("the task `later` panicked: no way (at: "), "{}", ran.err);
    assert_eq!(run(&app, "at-once").code, 70);
}

#[test]
fn the_exit_code_of_a_failing_program_is_passed_on() {
    let mut app = App::new();
    app.task("seven")
        .about("Fails")
        .run(|cx: Cx| async move { cx.cmd("sh").args(["-c", "exit 7"]).run().await });
    assert_eq!(run(&app, "seven").code, 7);
}

#[test]
fn any_boxed_error_can_end_a_body() {
    let mut app = App::new();
    app.task("boxed")
        .about("Fails")
        .run(|_: Cx| async { Err::<(), Box<dyn std::error::Error + Send + Sync>>("four walls".into()) });
    let ran = run(&app, "boxed");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("four walls"), "{}", ran.err);
}
