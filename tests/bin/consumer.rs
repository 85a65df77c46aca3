//! A product repo's xtask in a few lines, for the tests of the command line.

use std::process::ExitCode;
use std::sync::Arc;

use infra_sdk::{App, Cx, Error, ErrorKind, InfraTasks, Result};

fn main() -> ExitCode {
    infra_sdk::main(tasks)
}

fn tasks(app: &mut App, infra: &InfraTasks) {
    let build = app.task("build").about("Build the thing").run(build);
    app.task("deploy").about("Ship the thing").after(infra.secrets.test).needs(build).danger().run(deploy);
    app.task("print").about("Let a child print a secret").run(print);
    app.task("fail").about("Fail as a child does").run(fail);
    app.task("wait").about("Wait for a child and its child").run(wait);
    let hour = std::time::Duration::from_secs(3600);
    app.task("stubborn").about("Wait for a child that will not end").grace(hour).run(stubborn);
    app.task("both").about("Fail beside a task that waits").run(both);
}

async fn build(cx: Cx) -> Result<u64> {
    cx.say("built the thing");
    Ok(42)
}

async fn deploy(cx: Cx, number: Arc<u64>) -> Result<()> {
    cx.say(format!("shipped {number} to {}", cx.environment()));
    Ok(())
}

async fn print(cx: Cx) -> Result<()> {
    cx.secret(&infra_sdk::SecretValue::new("canary-value"));
    cx.cmd("printf").args(["it is %s\\n", "canary-value"]).run().await
}

async fn fail(cx: Cx) -> Result<()> {
    cx.cmd("sh").args(["-c", "echo going wrong >&2; exit 7"]).run().await
}

async fn wait(cx: Cx) -> Result<()> {
    cx.cmd("sh").args(["-c", "sleep 300 & echo started $$ $!; wait"]).run().await
}

async fn stubborn(cx: Cx) -> Result<()> {
    cx.cmd("sh").args(["-c", "trap '' TERM INT HUP; echo started $$; while :; do sleep 1; done"]).run().await
}

async fn both(_: Cx) -> Result<()> {
    Err(Error::new(ErrorKind::Failed, "it does not work").hint("try something else"))
}
