//! Who did it: the name that stands in the ledger and on locks.

use crate::env::{Env, GITHUB_ACTOR, LOGNAME, USER, USERNAME};

/// What stands for somebody the system has no name for.
pub(crate) const UNKNOWN: &str = "unknown";

/// The name of the person or machine behind this run: the GitHub actor, else the system's user, else `unknown`.
///
/// It says who to ask, not who may: nothing is allowed or refused by it.
///
/// ```
/// use infra_sdk::{Env, ledger};
/// let env = Env::of([("GITHUB_ACTOR", "octocat"), ("USER", "runner")], "/");
/// assert_eq!(ledger::actor(&env), "octocat");
/// ```
pub fn actor(env: &Env) -> String {
    [GITHUB_ACTOR, USER, LOGNAME, USERNAME]
        .iter()
        .filter_map(|name| env.get(name))
        .map(|name| name.chars().filter(|c| !c.is_control()).take(100).collect::<String>())
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| UNKNOWN.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_line_and_there_is_always_one() {
        assert_eq!(actor(&Env::of([("USER", "a\n\u{1b}[2Jb")], "/")), "a[2Jb");
        assert_eq!(actor(&Env::of([("USER", "\n"), ("LOGNAME", "ops")], "/")), "ops");
        assert_eq!(actor(&Env::of([("X", "y")], "/")), "unknown");
    }
}
