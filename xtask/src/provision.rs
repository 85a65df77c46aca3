//! What tests and benches need beside Rust: fetched under `target/`, never into the system.

use std::path::PathBuf;

use infra_sdk::{Cx, Error, Result};

/// Programs from PyPI, pinned; each with the command that comes with it.
const PYTHON: [(&str, &str, &str); 2] = [("go-task-bin", "3.54.0", "task"), ("rust-just", "1.59.0", "just")];

/// The folder of the programs from PyPI, with each of them in it.
///
/// # Errors
/// `NotFound` when python3 is missing; `Failed` when pip can not install one, naming it.
pub(crate) async fn python_tools(cx: &Cx) -> Result<PathBuf> {
    let folder = cx.root().join("target/tools/python");
    let bin = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if cx.env().which("python3").is_none() {
        return Err(Error::not_found("python3 is not on PATH")
            .hint("install Python 3.9 or newer with its venv module"));
    }
    if !bin.join("pip").exists() {
        cx.cmd("python3").args(["-m", "venv"]).arg(&folder).run().await?;
    }
    for (package, version, command) in PYTHON {
        let stamp = folder.join(format!("{package}-{version}.installed"));
        if !stamp.exists() || !bin.join(command).exists() {
            let wanted = format!("{package}=={version}");
            cx.cmd(bin.join("pip"))
                .args(["install", "--quiet", "--disable-pip-version-check", &wanted])
                .run()
                .await?;
            std::fs::write(stamp, "")?;
        }
    }
    Ok(bin)
}
