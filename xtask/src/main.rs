//! This repo's own tasks, built on the SDK like those of any product repo.

mod new;
mod snapshot;
mod template;

fn main() -> std::process::ExitCode {
    infra_sdk::main(|app, _infra| {
        app.task("new").about("Make a repo to start from").args::<new::Flags>().run(new::run);
    })
}
