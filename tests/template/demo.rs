//! The demo tells its whole story, twice in a row, and leaves nothing running.

use support::Scratch;

use crate::sdk_xtask;

#[test]
fn the_demo_runs_twice_and_leaves_nothing_running() {
    let scratch = Scratch::new("demo");
    for _ in 0..2 {
        let told = sdk_xtask(&scratch, &["demo"]).finish().expect(0);
        let said = format!("{}{}", told.stdout, told.stderr);
        for part in ["infrastructure", "shop-api", "shop-web", "\"version\":\"0.1.0\"", "as it must", "Done"]
        {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
        assert!(!said.contains("panicked"), "{said}");
        let processes = support::Run::new("ps", scratch.path()).args(["-e", "-o", "args"]).finish().expect(0);
        let left: Vec<&str> = processes.stdout.lines().filter(|line| line.contains("target/demo/")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
