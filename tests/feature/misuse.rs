//! Mistakes that the compiler must find: a wrong dependency type, a misspelt task, a replacement of another type.

use crate::consumer::{cargo, package};

const GOOD: &str = r#"
use std::sync::Arc;
use infra_sdk::{App, Cx, InfraTasks, Result};
pub fn main() -> std::process::ExitCode { infra_sdk::main(tasks) }
fn tasks(app: &mut App, infra: &InfraTasks) {
    let build = app.task("build").about("Build").run(build);
    app.task("deploy").about("Deploy").after(infra.secrets.test).needs(build).run(deploy);
}
async fn build(_: Cx) -> Result<u64> { Ok(7) }
async fn deploy(_: Cx, number: Arc<u64>) -> Result<()> { assert_eq!(*number, 7); Ok(()) }
"#;

fn checks(bin: &str, source: &str) -> (i32, String) {
    // The good program is checked beside each bad one, so that only the change can be to blame.
    let folder = package(&format!("misuse-{bin}"), &[], &[("good", GOOD), (bin, source)]);
    drop(cargo(&folder, &["check", "--bin", "good"]).expect(0));
    let finished = cargo(&folder, &["check", "--bin", bin]);
    (finished.code, finished.stderr)
}

#[test]
fn a_dependency_of_the_wrong_type_does_not_compile() {
    let source =
        GOOD.replace("number: Arc<u64>", "number: Arc<String>").replace("*number, 7", "*number, \"7\"");
    let (code, said) = checks("wrong-type", &source);
    assert!(code != 0 && said.contains("deploy") && said.contains("Arc<String>"), "{said}");
}

#[test]
fn a_misspelt_inherited_task_does_not_compile() {
    let (code, said) = checks("misspelt", &GOOD.replace("infra.secrets.test", "infra.secrets.tset"));
    assert!(code != 0 && said.contains("E0609") && said.contains("tset"), "{said}");
}

#[test]
fn a_task_used_before_it_exists_does_not_compile() {
    let source = GOOD.replace(".needs(build)", ".needs(package)");
    let (code, said) = checks("before", &source);
    assert!(code != 0 && said.contains("E0425") && said.contains("package"), "{said}");
}

#[test]
fn a_replacement_of_another_type_does_not_compile() {
    let source = GOOD
        .replace("app.task(\"deploy\")", "app.replace(infra.secrets.test, text);\n    app.task(\"deploy\")")
        + "async fn text(_: Cx) -> Result<String> { Ok(String::new()) }\n";
    let (code, said) = checks("replaced", &source);
    assert!(code != 0 && said.contains("E0271"), "{said}");
}
