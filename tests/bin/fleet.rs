//! The xtask of a repo whose deploy only writes down that it ran: one of many that are deployed together.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use infra_sdk::{App, Cx, Error, ErrorKind, InfraTasks, Result};

fn main() -> ExitCode {
    infra_sdk::main(tasks)
}

fn tasks(app: &mut App, _: &InfraTasks) {
    app.task("deploy").about("Write down that it ran").danger_unless_local().run(deploy);
    let apply = app.task("apply").about("Change something else").danger_unless_local().run(apply);
    app.task("ship").about("The same after that").after(apply).danger_unless_local().run(deploy);
}

async fn apply(_: Cx) -> Result<()> {
    Ok(())
}

/// Behaves as the file `behaves` of the repo says: `takes 300` (milliseconds), `waits` (until the file says something
/// else), `fails`, `hangs`, `nests`, `stops` (what runs here, under the lock of deploys),
/// `spawns` (waits for a program, whose process and own are in the files `child` and `parent`).
async fn deploy(cx: Cx) -> Result<()> {
    let behaves = std::fs::read_to_string(cx.root().join("behaves")).unwrap_or_default();
    note(&cx, "start")?;
    cx.say(format!("{} of {}", cx.task(), cx.env().get("INFRA_RUN").unwrap_or("nobody")));
    let takes = match behaves.trim().split_once(' ') {
        Some(("takes", millis)) => Duration::from_millis(millis.parse().unwrap_or(0)),
        _ if ["hangs", "waits"].contains(&behaves.trim()) => Duration::from_secs(600),
        _ => Duration::ZERO,
    };
    if behaves.trim() == "spawns" {
        let both = "echo $PPID > parent.new; echo $$ > child; mv parent.new parent; exec sleep 600";
        cx.cmd("sh").args(["-c", both]).dir(cx.root()).run().await?;
    }
    tokio::select! {
        () = cx.cancel_token().cancelled() => {
            note(&cx, "stopped")?;
            return Err(Error::new(ErrorKind::Cancelled, "the deploy was stopped"));
        }
        () = tokio::time::sleep(takes) => {}
        () = told(&cx), if behaves.trim() == "waits" => {}
    }
    if behaves.trim() == "fails" {
        cx.secret(&infra_sdk::SecretValue::new("canary-value"));
        cx.say("the token canary-value is not accepted");
        note(&cx, "failed")?;
        return Err(Error::new(ErrorKind::Failed, "the deploy does not work").hint("try something else"));
    }
    if behaves.trim() == "stops" {
        cx.infra().await?.stop().await?;
    }
    if behaves.trim() == "nests" {
        cx.cmd("cargo").args(["xtask", "--list"]).run().await?;
    }
    note(&cx, "end")
}

/// Waits until the file says something else than to wait.
async fn told(cx: &Cx) {
    let file = cx.root().join("behaves");
    while std::fs::read_to_string(&file).is_ok_and(|text| text.trim() == "waits") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One line of the log that all repos share: repo, what, attempt.
fn note(cx: &Cx, what: &str) -> Result<()> {
    let repo = cx.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let attempt = cx.env().get("INFRA_ATTEMPT").unwrap_or("0");
    let log = cx.env().path("FLEET_LOG").ok_or_else(|| Error::invalid("FLEET_LOG is not set"))?;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(log)?;
    file.write_all(format!("{repo} {what} {attempt}\n").as_bytes())?;
    Ok(())
}
