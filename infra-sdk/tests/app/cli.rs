//! The command line: names, flags, lists, and what is told about mistakes.

use infra_sdk::app::Environment;
use infra_sdk::clap::{Arg, ArgAction, ArgMatches, Command};
use infra_sdk::{App, Cx, Error, Result, TaskArgs};

use crate::{nothing, run, run_in};

struct Greeting {
    name: String,
    loud: bool,
}

impl TaskArgs for Greeting {
    fn augment(command: Command) -> Command {
        let loud = Arg::new("loud").long("loud").action(ArgAction::SetTrue).help("Shout");
        command.arg(Arg::new("name").long("name").default_value("world").help("Whom to greet")).arg(loud)
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let name = matches.get_one::<String>("name").cloned().unwrap_or_default();
        if name == "nobody" {
            return Err(Error::invalid("there is nobody to greet").hint("name somebody"));
        }
        Ok(Greeting { name, loud: matches.get_flag("loud") })
    }
}

fn app() -> App {
    let mut app = App::new();
    app.environments([Environment::new("staging").unwrap()]);
    let up = app.inherit("infra", |pack| {
        pack.task("tools:check").about("Check the tools").hidden().run(nothing);
        pack.task("nats:up").about("Start NATS").run(|cx: Cx| async move {
            cx.say(format!("up in {}", cx.environment()));
            Ok::<_, Error>(())
        })
    });
    let greet = app.task("greet").about("Say hello").after(up).args::<Greeting>().run(
        |cx: Cx, args: Greeting| async move {
            let text = format!("hello {}", args.name);
            cx.say(if args.loud { text.to_uppercase() } else { text });
            Ok::<_, Error>(())
        },
    );
    app.task("ship")
        .about("Ship it")
        .needs(greet)
        .danger()
        .run(|_: Cx, _: std::sync::Arc<()>| nothing_more());
    app.task("test").about("Run the tests").run(nothing);
    app
}

async fn nothing_more() -> Result<()> {
    Ok(())
}

#[test]
fn names_may_be_written_with_colons_or_spaces_and_flags_stand_anywhere() {
    let app = app();
    for line in ["infra:nats:up --env staging", "infra nats up --env=staging", "--env staging infra nats up"]
    {
        let ran = run(&app, line);
        assert_eq!((ran.code, ran.out.as_str()), (0, "up in staging\n"), "{line}: {}", ran.err);
    }
    assert_eq!(run_in(&app, &[("INFRA_ENV", "staging")], "infra nats up").out, "up in staging\n");
}

#[test]
fn several_tasks_each_take_their_own_flags() {
    let app = app();
    let ran = run(&app, "-j 1 greet --name crate --loud test infra nats up");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "up in local\nHELLO CRATE\n");
    assert_eq!(run(&app, "greet greet").code, 2);
    assert_eq!(run(&app, "test --loud").code, 2);
}

#[test]
fn a_task_that_was_not_named_runs_with_the_defaults_of_its_flags() {
    let ran = run(&app(), "ship --yes=ship");
    assert!(ran.out.contains("hello world"), "{}", ran.out);
}

#[test]
fn wrong_flags_are_found_before_anything_runs() {
    let app = app();
    let ran = run(&app, "infra nats up greet --name nobody");
    assert_eq!((ran.code, ran.out.as_str()), (4, ""));
    assert!(ran.err.contains("next: name somebody"), "{}", ran.err);
    let ran = run(&app, "greet --nmae x");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("--name"), "{}", ran.err);
}

#[test]
fn a_misspelt_task_finds_the_one_that_was_meant() {
    let app = app();
    for (line, hint) in [
        ("gret", "did you mean `greet`?"),
        ("infra nats upp", "did you mean `infra:nats:up`?"),
        ("infra:nats:u", "did you mean `infra:nats:up`?"),
        ("infra", "name one of them: infra:nats:up"),
        ("zzzzz", "--list"),
        ("test ../x", "--list"),
    ] {
        let ran = run(&app, line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}");
        assert!(ran.err.contains(hint), "{line}: {}", ran.err);
    }
}

#[test]
fn an_unknown_environment_names_the_known_ones() {
    let app = app();
    let ran = run(&app, "test --env stagin");
    assert_eq!(ran.code, 5);
    assert!(ran.err.contains("known: local, staging") && ran.err.contains("--env staging"), "{}", ran.err);
    assert_eq!(run(&app, "test --env ../x").code, 4);
    // Lists do not read the environments at all.
    let mut app = app;
    app.environments_from(|_, _| Err(Error::invalid("broken configuration")));
    assert_eq!(run(&app, "--list").code, 0);
    assert_eq!(run(&app, "test").code, 4);
}

#[test]
fn the_list_is_grouped_and_aligned_and_without_hidden_tasks() {
    let list = "This repo:\n  greet          Say hello\n  ship           Ship it (asks first)\n  test           Run the tests\n\ninfra:\n  infra:nats:up  Start NATS\n";
    assert_eq!(run(&app(), "--list").out, list);
    let ran = run(&app(), "");
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains(list) && ran.out.contains("--keep-going"), "{}", ran.out);
    assert_eq!(run(&app(), "--help").out, ran.out);
}

#[test]
fn the_list_for_tools_has_exactly_these_fields() {
    let ran = run(&app(), "--list --output json");
    let expected = serde_json::json!({"version": 1, "tasks": [
        {"name": "greet", "about": "Say hello", "group": "repo", "needs": [], "after": ["infra:nats:up"], "danger": false},
        {"name": "ship", "about": "Ship it", "group": "repo", "needs": ["greet"], "after": [], "danger": true},
        {"name": "test", "about": "Run the tests", "group": "repo", "needs": [], "after": [], "danger": false},
        {"name": "infra:nats:up", "about": "Start NATS", "group": "infra", "needs": [], "after": [], "danger": false},
    ]});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.out).unwrap(), expected);
    assert_eq!(ran.err, "");
}

#[test]
fn the_graph_shows_data_and_order() {
    let app = app();
    assert_eq!(run(&app, "ship --graph").out, "ship\n└─ greet\n   └─ infra:nats:up (order only)\n");
    let dot = run(&app, "--graph dot ship").out;
    assert!(
        dot.contains("\"ship\" -> \"greet\";")
            && dot.contains("\"greet\" -> \"infra:nats:up\" [style = dashed];")
    );
    assert_eq!(run(&app, "--graph=png").code, 2);
}

#[test]
fn the_help_of_a_task_shows_its_flags_first() {
    let ran = run(&app(), "greet --help");
    assert_eq!(ran.code, 0);
    let (own, global) = (ran.out.find("--loud").unwrap(), ran.out.find("--keep-going").unwrap());
    assert!(ran.out.starts_with("Say hello\n") && own < global, "{}", ran.out);
    assert_eq!(run(&app(), "help greet").out, ran.out);
    assert_eq!(run(&app(), "help").out, run(&app(), "").out);
}

#[test]
fn completions_know_tasks_and_their_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&app(), &format!("--completions {shell}")).out;
        assert!(script.contains("greet") && script.contains("loud"), "{shell}: {script}");
        assert!(script.contains("nats") && !script.contains("tools"), "{shell}");
    }
    assert_eq!(run(&app(), "--completions tcsh").code, 2);
}
