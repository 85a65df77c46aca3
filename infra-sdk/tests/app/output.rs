//! What is written where: prefixes, masks, JSON, GitHub Actions, streams that go away.

use std::fmt;
use std::io::Write;

use infra_sdk::app::Console;
use infra_sdk::{App, Cx, Env, Error, Result, SecretValue};
use serde::Serialize;

use crate::{Scratch, broken, run, run_in};

#[derive(Serialize)]
struct Bundle {
    name: String,
    size: u32,
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bundle {} of {} bytes", self.name, self.size)
    }
}

fn bundle(name: &str) -> Bundle {
    Bundle { name: name.into(), size: 3 }
}

async fn sh(cx: &Cx, script: &str) -> Result<()> {
    cx.cmd("sh").args(["-c", script]).run().await
}

fn app() -> App {
    let mut app = App::new();
    let part = app.task("part").about("A part").run(|cx: Cx| async move {
        sh(&cx, "echo from-child; echo to-err >&2").await?;
        cx.report(&bundle("part"));
        Ok::<_, Error>(())
    });
    app.task("whole").about("The whole").after(part).run(|cx: Cx| async move {
        cx.say("whole line");
        cx.report(&bundle("whole"));
        Ok::<_, Error>(())
    });
    app.task("fail").about("Fails").after(part).run(broken);
    app
}

#[test]
fn one_task_alone_has_no_prefix_and_its_streams_stay_apart() {
    let ran = run(&app(), "part");
    assert_eq!(ran.out, "from-child\nbundle part of 3 bytes\n");
    assert_eq!(ran.err, "to-err\n");
}

#[test]
fn several_tasks_have_prefixes_results_do_not_and_times_come_last() {
    let ran = run(&app(), "whole -j 4");
    let out =
        "part  │ from-child\npart  │ bundle part of 3 bytes\nwhole │ whole line\nbundle whole of 3 bytes\n";
    assert_eq!(ran.out, out);
    assert!(
        ran.err.contains("part  │ to-err\n") && ran.err.contains("passed: 2 of 2 tasks done"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains('\u{1b}'));
}

#[test]
fn with_json_the_report_of_what_was_asked_for_is_alone_on_standard_output() {
    let ran = run(&app(), "whole --output json");
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document, serde_json::json!({"name": "whole", "size": 3}));
    assert!(ran.err.contains("from-child") && ran.err.contains("whole line"), "{}", ran.err);
    let both: serde_json::Value = serde_json::from_str(&run(&app(), "whole part --output json").out).unwrap();
    assert_eq!(both["part"]["name"], "part");
}

#[test]
fn with_json_what_failed_is_an_object_that_a_script_can_tell_apart() {
    let mut app = app();
    app.task("taken").about("Taken").run(|_: Cx| async {
        let error = Error::new(infra_sdk::ErrorKind::Locked, "the state is locked").with("holder", "ada");
        Err::<(), _>(error.hint("wait").retryable())
    });
    let json = |line: &str| -> serde_json::Value {
        let ran = run(&app, line);
        assert_ne!(ran.code, 0, "{line}");
        let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| {
            panic!("{line}: {error}: {}", ran.out);
        });
        let code = &document["error"]["exit_code"];
        assert!(code.is_null() || *code == ran.code, "{line}: {document} and {}", ran.code);
        document
    };
    let error = serde_json::json!({
        "task": "taken", "kind": "locked", "message": "the state is locked", "context": { "holder": "ada" },
        "causes": [], "hints": ["wait"], "retryable": true, "exit_code": 6,
    });
    assert_eq!(json("taken --output json")["error"], error);
    assert!(run(&app, "taken --output json").err.contains("error: taken: the state is locked"));
    // What was reported stays what it is, and the failure stands beside it by its name.
    let several = json("part taken --output json -j 1");
    assert_eq!((&several["part"]["name"], &several["taken"]["error"]), (&"part".into(), &error));
    assert_eq!(json("fail --output json")["error"]["task"], "fail");
    // Before anything is run, too.
    for (line, kind) in [
        ("nonsense --output json", "not_found"),
        ("whole --env nowhere --output=json", "not_found"),
        ("whole --jobs x --output json", "invalid"),
    ] {
        let error = json(line)["error"].clone();
        assert_eq!((&error["kind"], error["task"].is_null()), (&kind.into(), true), "{line}: {error}");
    }
}

#[test]
fn secrets_are_masked_in_everything_that_is_printed() {
    let mut app = App::new();
    app.task("leak").about("Leaks").run(|cx: Cx| async move {
        let secret = SecretValue::new("hunter2-canary");
        cx.secret(&secret);
        sh(&cx, "echo hunter2-canary; printf %s hunter2-canary | base64").await?;
        let direct = cx.cmd("sh").args(["-c", "echo \"got $TOKEN\""]);
        direct.env_secret("TOKEN", &SecretValue::new("other-canary")).run().await?;
        cx.say("say hunter2-canary");
        cx.report(&bundle("hunter2-canary"));
        Err::<(), _>(Error::invalid("no hunter2-canary other-canary"))
    });
    for line in ["leak", "leak --output json"] {
        let ran = run(&app, line);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(!all.contains("canary") && !all.contains("aHVudGVyMi1jYW5hcn"), "{all}");
        assert!(all.contains("say ***") && all.contains("got ***"), "{all}");
    }
}

#[test]
fn a_task_cannot_scramble_the_lines_of_another() {
    let mut app = App::new();
    app.task("wild")
        .about("Wild")
        .run(|cx: Cx| async move { sh(&cx, "printf 'a\\033[2Jb\\033]0;t\\007c\\n'").await });
    assert_eq!(run(&app, "wild").out, "abc\n");
}

#[test]
fn github_gets_one_group_a_task_an_annotation_and_a_summary() {
    let scratch = Scratch::new();
    let page = scratch.0.join("summary.md");
    let mut app = app();
    app.task("bad").about("Bad").run(|cx: Cx| async move {
        cx.secret(&SecretValue::new("canary-one\ncanary-two"));
        sh(&cx, "echo '::stop-commands::x'; echo '##[error]x'; echo canary-two").await?;
        Err::<(), _>(Error::invalid("50% done\nthen not").hint("mend it"))
    });
    let vars = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", page.to_str().unwrap())];
    let ran = run_in(&app, &vars, "whole -j 4");
    assert_eq!(ran.out, "bundle whole of 3 bytes\n");
    for name in ["part", "whole"] {
        assert_eq!(ran.err.matches(&format!("::group::{name}\n")).count(), 1, "{}", ran.err);
    }
    assert_eq!(ran.err.matches("::endgroup::\n").count(), 2);
    let ran = run_in(&app, &vars, "bad");
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains(": :stop-commands::x\n## [error]x\n***\n"), "{}", ran.err);
    assert!(ran.err.contains("::add-mask::canary-one\n::add-mask::canary-two\n"), "{}", ran.err);
    assert!(ran.err.ends_with("::error title=bad::50%25 done%0Athen not%0A  next: mend it\n"), "{}", ran.err);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("| `whole` | done |") && page.contains("**bad** failed"), "{page}");
}

#[test]
fn a_reader_may_go_away_but_a_full_disk_is_a_failure() {
    struct Closed(std::io::ErrorKind);
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let run = |kind| {
        let env = Env::of([("A", "b")], std::env::temp_dir());
        app().run_with(Console::new(env, Closed(kind), Closed(kind)), ["whole"])
    };
    assert_eq!(run(std::io::ErrorKind::BrokenPipe), 0);
    assert_eq!(run(std::io::ErrorKind::StorageFull), 1);
}

#[test]
fn questions_are_answered_or_refused_with_the_way_out() {
    let mut app = App::new();
    app.task("ask").about("Asks").run(|cx: Cx| async move {
        let name = cx.ask("Your name").await?;
        let word = cx.ask_secret("Your password").await?;
        cx.say(format!("{name} {}", word.expose()));
        Ok::<_, Error>(())
    });
    let ran = crate::run_on(&app, &[], "ask", |console| console.answering(["ada", "hunter2-canary"]));
    assert_eq!((ran.code, ran.out.as_str()), (0, "ada ***\n"), "{}", ran.err);
    let ran = run(&app, "ask");
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("Your name") && ran.err.contains("next: "), "{}", ran.err);
}

#[test]
fn progress_without_a_terminal_is_a_line_now_and_then() {
    let mut app = App::new();
    app.task("long").about("Long").run(|cx: Cx| async move {
        (0..=1000).for_each(|done| cx.progress("copied", done, 1000));
        Ok::<_, Error>(())
    });
    assert_eq!(run(&app, "long").err, "copied 0/1000 (0 %)\ncopied 1000/1000 (100 %)\n");
}

#[tokio::test]
async fn a_body_can_be_tested_on_a_folder_alone() {
    async fn body(cx: Cx) -> Result<u32> {
        cx.cmd("sh").args(["-c", "pwd"]).run().await?;
        cx.warn("careful");
        Ok(cx.ask("How many").await?.parse().unwrap_or(0))
    }
    let scratch = Scratch::new();
    let (cx, seen) = Cx::test(&scratch.0).answers(["7"]).build();
    assert_eq!(body(cx).await.unwrap(), 7);
    assert!(seen.stdout().contains(scratch.0.file_name().unwrap().to_str().unwrap()));
    assert!(seen.stderr().starts_with("warning: careful\n"));
}

#[test]
fn an_app_can_run_inside_an_async_program() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { assert_eq!(run(&app(), "whole").code, 0) });
}
