//! Dangerous tasks: asked once, before anything runs, or refused with the flags to pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use infra_sdk::app::Environment;
use infra_sdk::{App, Cx, Error};

use crate::{Ran, nothing, run, run_on};

fn app() -> (App, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let mut app = App::new();
    app.environments([Environment::new("prod").unwrap().protected(), Environment::new("staging").unwrap()]);
    let build = app.task("build").about("Build").run(move |_: Cx| {
        count.fetch_add(1, SeqCst);
        async { Ok::<_, Error>(()) }
    });
    let wipe = app.task("wipe").about("Wipe").after(build).danger().run(nothing);
    app.task("deploy").about("Deploy").after(wipe).danger_unless_local().run(nothing);
    (app, runs)
}

fn answering(line: &str, answer: &str) -> (Ran, usize) {
    let (app, runs) = app();
    let ran = run_on(&app, &[], line, |console| console.answering([answer]));
    (ran, runs.load(SeqCst))
}

#[test]
fn without_a_terminal_the_error_names_the_flags_and_nothing_runs() {
    let (app, runs) = app();
    for (line, flags) in [
        ("deploy", "`--yes=wipe`"),
        ("deploy --env staging", "`--yes=wipe --yes=deploy`"),
        ("deploy --env staging --yes=deploy", "`--yes=wipe`"),
        ("deploy --env prod", "`--yes=wipe --yes=deploy --confirm-env prod`"),
        ("deploy --env prod --yes=wipe --yes=deploy", "`--confirm-env prod`"),
    ] {
        let ran = run(&app, line);
        assert_eq!(ran.code, 3, "{line}: {}", ran.err);
        assert!(ran.err.contains(&format!("add {flags}")), "{line}: {}", ran.err);
    }
    assert_eq!(runs.load(SeqCst), 0);
}

#[test]
fn the_flags_that_the_error_names_are_enough() {
    let (app, runs) = app();
    for line in [
        "deploy --yes=wipe",
        "--yes=wipe deploy --env staging --yes=deploy",
        "deploy --env prod --yes=wipe --yes=deploy --confirm-env prod",
        "build --env prod",
    ] {
        let ran = run(&app, line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
    }
    assert_eq!(runs.load(SeqCst), 4);
}

#[test]
fn a_person_sees_the_whole_plan_once_and_may_say_no() {
    let (ran, runs) = answering("deploy --env staging", "y");
    assert_eq!((ran.code, runs), (0, 1), "{}", ran.err);
    let plan = "Plan for environment `staging`:\n   1. build   Build\n   2. wipe    Wipe  ! dangerous\n   3. deploy  Deploy  ! dangerous\n";
    assert!(ran.err.starts_with(plan), "{}", ran.err);
    assert_eq!(ran.err.matches("[y/N]").count(), 1);
    for no in ["", "n", "deploy"] {
        let (ran, runs) = answering("deploy --env staging", no);
        assert_eq!((ran.code, runs), (3, 0), "{no:?}");
    }
}

#[test]
fn a_protected_environment_is_confirmed_by_its_name_only() {
    assert_eq!(answering("deploy --env prod", "prod").0.code, 0);
    assert_eq!(answering("deploy --env prod", "y").0.code, 3);
    assert_eq!(answering("deploy --env prod --yes=wipe --yes=deploy", "staging").1, 0);
}

#[test]
fn confirming_another_environment_or_an_unknown_task_is_refused() {
    let (app, runs) = app();
    let ran = run(&app, "deploy --env staging --yes=wipe --yes=deploy --confirm-env prod");
    assert_eq!(ran.code, 3);
    let ran = run(&app, "deploy --yes=wip");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean `--yes=wipe`?"), "{}", ran.err);
    assert_eq!(run(&app, "deploy --yes").code, 2);
    assert_eq!(runs.load(SeqCst), 0);
}

#[test]
fn a_dry_run_asks_nothing_and_runs_only_what_changes_nothing() {
    let (mut app, runs) = app();
    let look = app.task("look").about("Look").read_only().run(|cx: Cx| async move {
        cx.say(format!("looked, dry: {}", cx.is_dry_run()));
        Ok::<_, Error>(7)
    });
    let build =
        app.task("make").about("Make").needs(look).run(|_: Cx, _: Arc<i32>| async { Ok::<_, Error>(1) });
    app.task("tell").about("Tell").read_only().needs(build).run(|cx: Cx, _: Arc<i32>| async move {
        cx.say("told");
        Ok::<_, Error>(())
    });
    let ran = run(&app, "deploy tell --env prod --dry-run -j 1");
    assert_eq!((ran.code, runs.load(SeqCst)), (0, 0), "{}", ran.err);
    assert!(ran.out.contains("looked, dry: true") && !ran.out.contains("told"), "{}", ran.out);
    assert!(ran.out.contains("1. build") && ran.out.contains("2. wipe    Wipe  ! dangerous"), "{}", ran.out);
    app.replace(look, |_: Cx| async { Ok::<_, Error>(8) });
    assert!(run(&app, "look --dry-run").out.ends_with("Dry run: nothing is run.\n"));
    app.check().unwrap();
    let (mut app, _) = self::app();
    let look = app.task("look").about("Look").read_only().run(nothing);
    let build = app.task("make").about("Make").after(look).run(nothing);
    app.task("tell")
        .about("Tell")
        .read_only()
        .needs(build)
        .run(|_: Cx, _: Arc<()>| async { Ok::<_, Error>(()) });
    let json = run(&app, "tell --dry-run --output json").out;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["plan"][0], serde_json::json!({"name": "look", "danger": false, "runs": true}));
    assert_eq!(plan["plan"][2]["runs"], false);
    assert_eq!(plan["reports"], serde_json::json!({ "tell": null }), "it was not run");
}

#[test]
fn a_dry_run_as_json_has_the_reports_beside_the_plan() {
    let (mut app, _) = app();
    app.task("look").about("Look").read_only().run(|cx: Cx| async move {
        cx.report("three to create");
        Ok::<_, Error>(())
    });
    app.task("fail").about("Fail").read_only().run(crate::broken);
    let json = |line: &str| -> serde_json::Value { serde_json::from_str(&run(&app, line).out).unwrap() };
    let plan = json("look --dry-run --output json");
    assert_eq!((&plan["version"], plan["plan"][0]["runs"].as_bool()), (&1.into(), Some(true)));
    assert_eq!(plan["reports"], serde_json::json!({ "look": "three to create" }));
    let failed = json("look fail --dry-run --output json -j 1");
    assert_eq!(failed["reports"]["look"], "three to create");
    assert_eq!(failed["reports"]["fail"]["error"]["task"], "fail");
}
