//! Hints with commands that can be copied as they stand.

use crate::names::EnvName;

/// A hint whose commands work on the environment that the failure was in; without a word they work on `local`.
pub(super) fn aimed(hint: &str, environment: &EnvName) -> String {
    if *environment == EnvName::local() {
        return hint.to_owned();
    }
    let part = |(index, part): (usize, &str)| {
        let is_command = index % 2 == 1 && part.starts_with("cargo xtask ") && !part.contains("--env");
        if is_command { format!("{part} --env {environment}") } else { part.to_owned() }
    };
    hint.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_hint_works_on_the_environment_that_the_failure_was_in() {
        let hint =
            "make it with `cargo xtask infra:state:setup`, or set `bucket`; see `cargo xtask x --env dev`";
        assert_eq!(aimed(hint, &EnvName::local()), hint);
        assert_eq!(
            aimed(hint, &"staging".parse().unwrap()),
            "make it with `cargo xtask infra:state:setup --env staging`, or set `bucket`; see `cargo xtask x --env dev`"
        );
        assert_eq!(aimed("`cargo xtask", &"staging".parse().unwrap()), "`cargo xtask");
    }
}
