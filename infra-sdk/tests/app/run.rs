//! What runs, when, how often, and with which data.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use infra_sdk::retry::Retry;
use infra_sdk::{App, Cx, Error, ErrorKind, Result, TaskId, TaskRef};

use crate::{broken, nothing, run, run_in};

/// A task that notes its name when it runs.
fn noted(app: &mut App, log: &Arc<Mutex<Vec<String>>>, name: &str, after: &[TaskId]) -> TaskRef<()> {
    let (log, own) = (log.clone(), name.to_owned());
    app.task(name).about("Notes its name").after(after).run(move |_: Cx| {
        let (log, name) = (log.clone(), own.clone());
        async move {
            log.lock().unwrap().push(name);
            Ok::<_, Error>(())
        }
    })
}

#[test]
fn a_diamond_runs_each_task_once_and_hands_on_its_data() {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut app = App::new();
    let count = runs.clone();
    let base = app.task("base").about("Makes 20").run(move |_: Cx| {
        let count = count.clone();
        async move {
            count.fetch_add(1, SeqCst);
            Ok::<u32, Error>(20)
        }
    });
    let left = app
        .task("left")
        .about("Adds 1")
        .needs(base)
        .run(|_: Cx, n: Arc<u32>| async move { Ok::<_, Error>(*n + 1) });
    let right = app
        .task("right")
        .about("Makes text")
        .needs(base)
        .run(|_: Cx, n: Arc<u32>| async move { Ok::<_, Error>(n.to_string()) });
    app.task("top").about("Both").needs((left, right)).run(
        |cx: Cx, n: Arc<u32>, text: Arc<String>| async move {
            cx.say(format!("{n} and {text}"));
            Ok::<_, Error>(())
        },
    );
    let ran = run(&app, "top base left");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("21 and 20"), "{}", ran.out);
    assert_eq!(runs.load(SeqCst), 1);
    // The app keeps nothing of a run.
    run(&app, "top");
    assert_eq!(runs.load(SeqCst), 2);
}

#[test]
fn a_task_knows_whether_it_was_asked_for_or_is_only_waited_for() {
    let mut app = App::new();
    let part = app.task("part").about("Says why it runs").run(|cx: Cx| async move {
        cx.say(if cx.is_requested() { "asked for" } else { "waited for" });
        Ok::<_, Error>(())
    });
    app.task("whole").about("Waits").after(part).run(nothing);
    for (line, says) in
        [("part", "asked for\n"), ("whole -j 1", "waited for\n"), ("whole part -j 1", "asked for\n")]
    {
        assert_eq!(run(&app, line).out, says, "{line}");
    }
}

#[test]
fn with_one_job_tasks_run_in_the_order_of_registration_as_soon_as_they_are_ready() {
    let log = Arc::default();
    let mut app = App::new();
    let a = noted(&mut app, &log, "a", &[]);
    let b = noted(&mut app, &log, "b", &[]);
    let c = noted(&mut app, &log, "c", &[b.id()]);
    let d = noted(&mut app, &log, "d", &[]);
    noted(&mut app, &log, "all", &[d.id(), c.id(), a.id()]);
    assert_eq!(run(&app, "all --jobs 1").code, 0);
    assert_eq!(*log.lock().unwrap(), ["a", "b", "c", "d", "all"]);
}

#[test]
fn as_many_tasks_run_at_the_same_time_as_jobs_allow_and_no_more() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let pair = Arc::new(tokio::sync::Barrier::new(2));
    let mut app = App::new();
    let mut all = Vec::new();
    for number in 0..6 {
        let (inside, most, pair) = (inside.clone(), most.clone(), pair.clone());
        let task = app.task(format!("t{number}")).about("Waits for another one").run(move |_: Cx| {
            let (inside, most, pair) = (inside.clone(), most.clone(), pair.clone());
            async move {
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                // Nobody gets past this alone.
                pair.wait().await;
                inside.fetch_sub(1, SeqCst);
                Ok::<_, Error>(())
            }
        });
        all.push(task.id());
    }
    app.task("all").about("All").after(all).run(nothing);
    assert_eq!(run(&app, "all -j 2").code, 0);
    assert_eq!(most.load(SeqCst), 2);
    assert_eq!(run_in(&app, &[("INFRA_JOBS", "0")], "all").code, 4);
}

#[test]
fn keep_going_runs_what_does_not_depend_on_the_failure() {
    let log = Arc::default();
    let mut app = App::new();
    let bad = app.task("bad").about("Fails").run(broken);
    let good = noted(&mut app, &log, "good", &[]);
    noted(&mut app, &log, "after-good", &[good.id()]);
    noted(&mut app, &log, "after-bad", &[bad.id()]);
    let ran = run(&app, "after-bad after-good --keep-going -j 1");
    assert_eq!(ran.code, 1);
    assert_eq!(*log.lock().unwrap(), ["good", "after-good"]);
    let line =
        |name: &str| ran.err.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(line("after-bad").contains("not run") && line("after-good").contains("done"), "{}", ran.err);
    log.lock().unwrap().clear();
    run(&app, "after-bad after-good -j 1");
    assert!(log.lock().unwrap().is_empty());
}

fn flaky(app: &mut App, name: &str, good_at: usize, retryable: bool) -> Arc<AtomicUsize> {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    let pause = Duration::from_millis(1);
    app.task(name)
        .about("Works later")
        .retry(Retry { attempts: 3, first: pause, factor: 1, max: pause })
        .run(move |_: Cx| {
            let count = count.clone();
            async move {
                let error = Error::new(ErrorKind::Unavailable, "busy");
                match count.fetch_add(1, SeqCst) + 1 {
                    number if number >= good_at => Ok(()),
                    _ if retryable => Err(error.retryable()),
                    _ => Err(error),
                }
            }
        });
    tries
}

#[test]
fn only_errors_that_say_so_are_tried_again() {
    let mut app = App::new();
    let later = flaky(&mut app, "later", 3, true);
    let never = flaky(&mut app, "never", 9, true);
    let hard = flaky(&mut app, "hard", 2, false);
    let ran = run(&app, "later");
    assert_eq!((ran.code, later.load(SeqCst)), (0, 3));
    assert!(ran.err.contains("busy; attempt 2 in") && ran.err.contains("busy; attempt 3 in"), "{}", ran.err);
    let ran = run(&app, "never");
    assert_eq!((ran.code, never.load(SeqCst)), (8, 3));
    assert!(ran.err.contains("attempts: 3"), "{}", ran.err);
    assert_eq!((run(&app, "hard").code, hard.load(SeqCst)), (8, 1));
}

#[test]
fn a_replacement_reaches_everything_that_waits_for_the_task() {
    let mut app = App::new();
    let image = app.inherit("infra", |pack| {
        pack.task("image").about("Build the image").run(|_: Cx| async { Ok::<_, Error>("ours".to_owned()) })
    });
    let name = app.task("name").about("The name").run(|_: Cx| async { Ok::<_, Error>("theirs".to_owned()) });
    app.task("ship").about("Ship").needs(image).run(|cx: Cx, image: Arc<String>| async move {
        cx.say(image);
        Ok::<_, Error>(())
    });
    assert!(run(&app, "ship").out.contains("ours"));
    app.replacing(image)
        .needs(name)
        .run(|_: Cx, name: Arc<String>| async move { Ok::<_, Error>(name.to_uppercase()) });
    assert!(run(&app, "ship").out.contains("THEIRS"));
    assert!(run(&app, "--list").out.contains("infra:image  Build the image"));
}

#[test]
fn services_are_made_once_and_only_when_asked_for() {
    struct Port(usize);
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let mut app = App::new();
    app.provide(move |cx: &Cx| {
        assert_eq!(cx.environment().as_str(), "local");
        Ok(Port(count.fetch_add(1, SeqCst) + 80))
    });
    async fn ask(cx: Cx) -> Result<usize> {
        Ok(cx.service::<Port>()?.0)
    }
    let (one, two) = (app.task("one").about("Asks").run(ask), app.task("two").about("Asks").run(ask));
    app.task("both").about("Both").needs((one, two)).run(|cx: Cx, a: Arc<usize>, b: Arc<usize>| async move {
        cx.say(format!("{a} {b}"));
        Ok::<_, Error>(())
    });
    app.task("none").about("None").run(nothing);
    app.task("text").about("Not provided").run(|cx: Cx| async move { cx.service::<String>().map(drop) });
    app.provide(|cx: &Cx| cx.service::<u8>().map(|own| *own));
    app.task("circle")
        .about("Asks for what asks for itself")
        .run(|cx: Cx| async move { cx.service::<u8>().map(drop) });
    assert!(run(&app, "circle").err.contains("asks for itself"));
    assert_eq!((run(&app, "none").code, made.load(SeqCst)), (0, 0));
    assert!(run(&app, "both").out.contains("80 80"));
    let ran = run(&app, "text");
    assert_eq!(ran.code, 70);
    assert!(ran.err.contains("String") && ran.err.contains("app.provide"), "{}", ran.err);
}

#[test]
fn a_chain_and_a_fan_of_thousands_of_tasks_run() {
    let mut app = App::new();
    let mut last: Option<TaskRef<u64>> = None;
    for number in 0..2000 {
        let task = app.task(format!("chain-{number}")).hidden();
        last = Some(match last {
            None => task.run(|_: Cx| async { Ok::<_, Error>(1) }),
            Some(before) => {
                task.needs(before).run(|_: Cx, n: Arc<u64>| async move { Ok::<_, Error>(*n + 1) })
            }
        });
    }
    let fan: Vec<TaskId> =
        (0..2000).map(|n| app.task(format!("fan-{n}")).hidden().run(nothing).id()).collect();
    app.task("all").about("All").after(fan).needs(last.unwrap()).run(|cx: Cx, n: Arc<u64>| async move {
        cx.say(n);
        Ok::<_, Error>(())
    });
    let ran = run(&app, "all");
    assert_eq!((ran.code, ran.out.trim()), (0, "2000"), "{}", ran.err);
}
