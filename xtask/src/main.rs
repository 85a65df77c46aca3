//! This repo's own tasks, built on the SDK like those of any product repo.

mod bench;
mod demo;
mod new;
mod provision;
mod snapshot;
mod template;
mod test;

use std::process::ExitCode;

use infra_sdk::{App, InfraTasks};

fn main() -> ExitCode {
    infra_sdk::main(tasks)
}

fn tasks(app: &mut App, _infra: &InfraTasks) {
    app.task("demo").about("Show a whole organisation at work on this machine").run(demo::run);
    app.task("test").about("Run every test, with everything the tests need").run(test::test);
    app.task("ci").about("Check formatting, lints and docs, then run every test").run(test::ci);
    app.task("new").about("Make a repo to start from").args::<new::Flags>().run(new::run);
    app.task("bench").about("Measure this SDK beside its peers").args::<bench::Flags>().run(bench::run);
    app.task("provision").about("Fetch what the benches compare with").run(test::provision);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tasks_fit_together() {
        infra_sdk::check(super::tasks).unwrap();
    }
}
