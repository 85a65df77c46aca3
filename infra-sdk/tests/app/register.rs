//! Mistakes of registration, all found by `check`.

use infra_sdk::{App, Cx, ErrorKind, TaskArgs};

use crate::{nothing, run};

fn mistakes(app: &App) -> String {
    let error = app.check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bug);
    error.to_string()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut app = App::new();
    let mut other = App::new();
    let foreign = other.task("elsewhere").about("Of another app").run(nothing);
    app.inherit("infra", |pack| pack.task("up").about("Up").run(nothing));
    app.task("build").about("Build").run(nothing);
    app.task("build").about("Build again").run(nothing);
    app.task("infra:mine").about("Wrong prefix").run(nothing);
    app.task("infra").about("Wrong prefix").run(nothing);
    app.task("Bad Name").about("Wrong letters").run(nothing);
    app.task("a::b").about("Empty part").run(nothing);
    app.task("quiet").run(nothing);
    app.task("hidden").hidden().run(nothing);
    app.task("stranger").about("Waits for a stranger").after(foreign).run(nothing);
    app.replace(foreign, nothing);
    let text = mistakes(&app);
    for part in [
        "8 mistakes",
        "`build` is registered twice",
        "`infra:mine` has the prefix `infra`",
        "`infra` has the prefix `infra`",
        "`Bad Name` is not a name",
        "`a::b` is not a name",
        "`quiet` has no `about`",
        "`stranger` waits for a task of another App",
        "a task of another App is replaced",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("`hidden`"));
    assert_eq!(run(&app, "build").code, 70);
}

#[test]
fn a_prefix_is_reserved_whenever_its_pack_comes() {
    let mut app = App::new();
    app.task("infra:early").about("Before the pack").run(nothing);
    app.inherit("infra", |_| ());
    assert!(mistakes(&app).contains("`infra:early`"));
}

#[test]
fn a_cycle_made_by_a_replacement_is_shown_whole() {
    let mut app = App::new();
    let a = app.task("a").about("A").run(nothing);
    let b = app.task("b").about("B").after(a).run(nothing);
    let c = app.task("c").about("C").after(b).run(nothing);
    app.task("before").about("Not in it").after(c).run(nothing);
    app.replacing(a).after(c).run(nothing);
    assert!(
        mistakes(&app).contains("a cycle: `a` waits for `c` waits for `b` waits for `a`"),
        "{}",
        mistakes(&app)
    );
}

#[test]
fn a_task_is_replaced_once_and_can_wait_for_nothing_that_waits_for_it() {
    let mut app = App::new();
    let a = app.task("a").about("A").run(nothing);
    app.replacing(a).after(a).run(nothing);
    assert!(mistakes(&app).contains("`a` waits for `a`"));
    app.replace(a, nothing);
    assert!(mistakes(&app).contains("`a` is replaced twice"));
}

/// Flags that every task has already.
struct Clash;

impl TaskArgs for Clash {
    fn augment(command: infra_sdk::clap::Command) -> infra_sdk::clap::Command {
        use infra_sdk::clap::Arg;
        command.arg(Arg::new("env").long("env")).arg(Arg::new("j").short('j'))
    }
    fn from_matches(_: &infra_sdk::clap::ArgMatches) -> infra_sdk::Result<Self> {
        Ok(Clash)
    }
}

async fn clashing(_: Cx, _: Clash) -> infra_sdk::Result<()> {
    Ok(())
}

#[test]
fn a_flag_that_every_task_has_cannot_be_taken() {
    let mut app = App::new();
    app.task("a").about("A").args::<Clash>().run(clashing);
    let text = mistakes(&app);
    assert!(text.contains("a flag --env") && text.contains("a flag -j"), "{text}");
    assert_eq!(run(&app, "a").code, 70);
}

#[test]
fn a_run_leaves_inherited_tasks_to_their_maker_and_looks_at_what_replaced_them() {
    let mut app = App::new();
    let up = app.inherit("infra", |pack| {
        pack.task("down").about("Down").args::<Clash>().run(clashing);
        pack.task("up").about("Up").run(nothing)
    });
    app.task("mine").about("Mine").run(nothing);
    assert!(mistakes(&app).contains("`infra:down` has a flag --env"));
    assert_eq!(run(&app, "mine").code, 0);
    app.replacing(up).args::<Clash>().run(clashing);
    let ran = run(&app, "mine");
    assert!(ran.code == 70 && ran.err.contains("`infra:up` has a flag --env"), "{ran:?}");
}

#[test]
fn a_correct_app_has_no_mistakes() {
    let mut app = App::new();
    let up = app.inherit("infra", |pack| pack.task("nats:up").about("Up").run(nothing));
    let one = app.task("one_1").about("One").after((up, vec![up.id()])).run(nothing);
    app.task("part:two")
        .about("Two")
        .needs((up, one))
        .run(|_: Cx, _: std::sync::Arc<()>, _: std::sync::Arc<()>| async { Ok::<_, infra_sdk::Error>(()) });
    app.check().unwrap();
}
