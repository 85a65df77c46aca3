//! What the task runtime adds to a task: 10,000 tasks that do nothing, from the command line to the exit code.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use infra_sdk::{App, Console, Cx, Env, Result, TaskId};

const TASKS: usize = 10_000;
/// The promise: what the runtime may add to a task. Checked where the optimiser ran.
const BOUND: Duration = Duration::from_micros(50);

fn main() -> ExitCode {
    let shapes = [
        ("fan", app(|_| 0..0)),
        ("chain", app(|n| n.saturating_sub(1)..n)),
        // Layers of 100, each task behind ten of the layer before.
        (
            "layers",
            app(|n| {
                if n < 100 {
                    0..0
                } else {
                    n / 100 * 100 - 100 + n % 10 * 10..n / 100 * 100 - 90 + n % 10 * 10
                }
            }),
        ),
    ];
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("graph of 10,000 tasks");
    group.throughput(Throughput::Elements(TASKS as u64));
    for (shape, app) in &shapes {
        group.bench_function(*shape, |bencher| bencher.iter(|| run(app)));
    }
    group.finish();
    criterion.final_summary();

    let mut code = ExitCode::SUCCESS;
    for (shape, app) in &shapes {
        let task = best_of_five(app) / TASKS as u32;
        println!("{shape}: {task:.1?} a task, bound {BOUND:?}");
        if task > BOUND && !cfg!(debug_assertions) {
            eprintln!("error: the runtime adds {task:.1?} to each task of a {shape}; the bound is {BOUND:?}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Tasks of which each runs after those that `before` gives, and the last one after all.
fn app(before: impl Fn(usize) -> std::ops::Range<usize>) -> App {
    let mut app = App::new();
    let mut ids: Vec<TaskId> = Vec::with_capacity(TASKS);
    for n in 0..TASKS - 1 {
        let task = app.task(format!("t{n}")).about("Nothing").after(&ids[before(n)]).run(nothing);
        ids.push(task.id());
    }
    app.task("all").about("Everything").after(ids).run(nothing);
    app
}

async fn nothing(_: Cx) -> Result<()> {
    Ok(())
}

fn run(app: &App) {
    let console = Console::discarding(Env::of([("HOME", "/")], std::env::temp_dir()));
    assert_eq!(app.run_with(console, ["all"]), 0, "tasks that do nothing succeed");
}

fn best_of_five(app: &App) -> Duration {
    let time = || {
        let start = Instant::now();
        run(app);
        start.elapsed()
    };
    (0..5).map(|_| time()).min().unwrap_or_default()
}
