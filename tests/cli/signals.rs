//! What a person's Ctrl-C and a failing child leave behind.

use crate::{INFRA_TOML, shop, xtask};

#[test]
fn a_failing_child_passes_its_code_on_and_is_repeated_last() {
    let failed = xtask(&shop(INFRA_TOML), &["fail"]).finish().expect(7);
    failed.says(&["going wrong"]);
}

#[test]
fn what_a_child_prints_is_masked() {
    let printed = xtask(&shop(INFRA_TOML), &["print"]).finish().expect(0);
    assert!(printed.stdout.contains("it is ***"), "{}", printed.stdout);
    assert!(!format!("{}{}", printed.stdout, printed.stderr).contains("canary-value"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_children_and_their_children() {
    let scratch = shop(INFRA_TOML);
    // The shell starts the task, waits for the grandchild to be there, interrupts, and looks for survivors.
    let script = format!(
        "'{}' wait > out.txt 2> err.txt & task=$!\n\
         for i in $(seq 500); do grep -q started out.txt 2>/dev/null && break; sleep 0.02; done\n\
         kids=$(ps -e -o pid=,pgid=,ppid= | awk -v p=$task '$3 == p {{ print $2 }}')\n\
         kill -INT $task; wait $task; code=$?\n\
         for group in $kids; do ps -e -o pgid=,stat= | awk -v g=$group '$1 == g && $2 !~ /Z/' ; done\n\
         exit $code",
        env!("CARGO_BIN_EXE_consumer")
    );
    let ended = support::Run::new("sh", &scratch.join("repo")).args(["-c", &script]).finish().expect(130);
    assert_eq!(ended.stdout, "", "survivors");
}

#[test]
fn a_failure_shows_its_hint_last() {
    let failed = xtask(&shop(INFRA_TOML), &["both"]).finish().expect(1);
    let last = failed.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("try something else"), "{}", failed.stderr);
}
