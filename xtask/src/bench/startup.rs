//! Start-up beside the peers, in one interleaved run, as ratios.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use infra_sdk::{Cx, Result, ResultExt};
use serde::Serialize;

use crate::bench::profile;
use crate::provision;

/// One program's times for one job.
#[derive(Clone, Debug, Serialize)]
struct Row {
    job: &'static str,
    program: &'static str,
    median_ms: f64,
    min_ms: f64,
    ratio: f64,
}

/// All rows; ratios are to the xtask binary's median of the same job.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table(Vec<Row>);

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<12} {:<14} {:>10} {:>10} {:>8}", "job", "program", "median ms", "min ms", "ratio")?;
        for row in &self.0 {
            write!(
                f,
                "\n{:<12} {:<14} {:>10.2} {:>10.2} {:>7.1}x",
                row.job, row.program, row.median_ms, row.min_ms, row.ratio
            )?;
        }
        Ok(())
    }
}

/// Ten tasks in each of the three, listed and run empty.
///
/// # Errors
/// What provisioning, building or one of the programs fails with.
pub(crate) async fn measure(cx: &Cx, rounds: u32) -> Result<Table> {
    let tools = provision::peers(cx).await?;
    let folder = cx.root().join("target/bench/startup");
    write_ten_tasks(cx.root(), &folder)?;
    let cargo = ["run", "--quiet", "--profile", "xtask", "--package", "xtask", "--"];
    let target = folder.join("target");
    cx.cmd("cargo")
        .args(["build", "--quiet", "--profile", "xtask"])
        .dir(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .run()
        .await?;
    let binary = target.join("xtask/xtask");
    let programs: [(&'static str, PathBuf, &[&str]); 4] = [
        ("xtask binary", binary, &[]),
        ("just", tools.join("just"), &[]),
        ("go-task", tools.join("task"), &[]),
        ("cargo xtask", "cargo".into(), &cargo),
    ];
    let mut rows = Vec::new();
    for (job, args) in [("list", "--list"), ("empty task", "t3")] {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); programs.len()];
        for _ in 0..rounds {
            for (index, (_, program, before)) in programs.iter().enumerate() {
                let command =
                    cx.cmd(program).args(*before).arg(args).dir(&folder).env("CARGO_TARGET_DIR", &target);
                let start = Instant::now();
                let finished = command.output().await?;
                times[index].push(start.elapsed());
                if !finished.success() {
                    return Err(infra_sdk::Error::new(infra_sdk::ErrorKind::Failed, "run a peer")
                        .with("program", program.display())
                        .with("said", finished.stderr.trim())
                        .hint("run it by hand in target/bench/startup"));
                }
            }
        }
        let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
        for (index, (program, ..)) in programs.iter().enumerate() {
            let min_ms = times[index].iter().min().map_or(0.0, |time| time.as_secs_f64() * 1e3);
            rows.push(Row {
                job,
                program,
                median_ms: medians[index],
                min_ms,
                ratio: medians[index] / medians[0],
            });
        }
    }
    Ok(Table(rows))
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn write_ten_tasks(root: &Path, folder: &Path) -> Result<()> {
    let numbers = 0..10;
    let tasks: String = numbers
        .clone()
        .map(|n| format!("    app.task(\"t{n}\").about(\"Task {n}\").run(nothing);\n"))
        .collect();
    let main = format!(
        "use infra_sdk::{{App, Cx, InfraTasks, Result}};\n\
         fn main() -> std::process::ExitCode {{\n    infra_sdk::main(tasks)\n}}\n\
         fn tasks(app: &mut App, _: &InfraTasks) {{\n{tasks}}}\n\
         async fn nothing(_: Cx) -> Result<()> {{\n    Ok(())\n}}\n"
    );
    let manifest = format!(
        "[package]\nname = \"xtask\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\ninfra-sdk = {{ path = {:?} }}\n\n{}",
        root.join("infra-sdk"),
        profile::shipped(root)?,
    );
    let taskfile: String =
        numbers.clone().map(|n| format!("  t{n}:\n    desc: Task {n}\n    cmds: []\n")).collect();
    let justfile: String = numbers.map(|n| format!("# Task {n}\nt{n}:\n\n")).collect();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder)).context("make a bench folder")?;
        std::fs::write(&path, text).context(format!("write {}", path.display()))
    };
    write("src/main.rs", &main)?;
    write("Cargo.toml", &manifest)?;
    write("Taskfile.yml", &format!("version: '3'\ntasks:\n{taskfile}"))?;
    write("justfile", &justfile)?;
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).context("copy Cargo.lock")?;
    Ok(())
}
