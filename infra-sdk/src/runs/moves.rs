//! What follows from how far a run is: which repos become ready, which are given back, skipped or cancelled. No clock, no
//! store.

use std::collections::HashMap;

use crate::names::RepoName;
use crate::runs::{Claim, End, RepoState, Revision, RunPhase, RunView};
use crate::time::Timestamp;

/// One repo that is to be put into another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) repo: RepoName,
    /// The revision at which this was decided.
    pub(super) seen: Revision,
    pub(super) state: RepoState,
}

/// What the coordinator knows beside the run itself.
pub(super) struct Known<'a> {
    /// Who writes it down, for people.
    pub(super) by: &'a str,
    /// After how many attempts whose agent died a repo has failed.
    pub(super) attempts: u32,
    /// Whether the agent of a claim is gone; only asked for claims that were there before its lease was looked for.
    pub(super) is_gone: &'a (dyn Fn(&RepoName, &Claim) -> bool + Sync),
    /// Why a repo that is ready will not be deployed, if nobody serves it for too long.
    pub(super) given_up: &'a (dyn Fn(&RepoName) -> Option<String> + Sync),
}

/// What is to be done now. Doing it may lead to more: a repo that is skipped here also skips those that wait for it.
pub(super) fn moves(view: &RunView, known: &Known<'_>) -> Vec<Move> {
    let mut ends: HashMap<&RepoName, Ended> =
        view.repos.iter().map(|repo| (&repo.repo, Ended::of(&repo.state))).collect();
    let mut moves = Vec::new();
    // In the order of the run, so that what a repo waits for was decided before it.
    for (repo, planned) in view.repos.iter().zip(&view.run.repos) {
        let next = match &view.phase {
            RunPhase::Closed => None,
            RunPhase::Cancelling(wish) => cancelled(&repo.repo, &repo.state, &wish.by, known),
            RunPhase::Open => match &repo.state {
                RepoState::Waiting => begun(&planned.after, &ends),
                RepoState::Ready { attempt } => (known.given_up)(&repo.repo)
                    .map(|why| RepoState::Failed(end(known.by, attempt.saturating_sub(1), None, Some(why)))),
                RepoState::Running(claim) if (known.is_gone)(&repo.repo, claim) => Some(again(claim, known)),
                _ => None,
            },
        };
        if let Some(state) = next {
            ends.insert(&repo.repo, Ended::of(&state));
            moves.push(Move { repo: repo.repo.clone(), seen: repo.revision, state });
        }
    }
    moves
}

/// What those that wait for a repo need to know of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Not,
    Done,
    Undone,
}

impl Ended {
    fn of(state: &RepoState) -> Self {
        match state {
            RepoState::Done(_) => Ended::Done,
            state if state.is_final() => Ended::Undone,
            _ => Ended::Not,
        }
    }
}

/// What becomes of a repo that waits for others.
fn begun(after: &[RepoName], ends: &HashMap<&RepoName, Ended>) -> Option<RepoState> {
    // What is not in the run is not waited for.
    let is = |name: &RepoName, ended: Ended| ends.get(name).is_some_and(|end| *end == ended);
    if let Some(because) = after.iter().find(|name| is(name, Ended::Undone)) {
        return Some(RepoState::Skipped { because: because.clone() });
    }
    (!after.iter().any(|name| is(name, Ended::Not))).then_some(RepoState::Ready { attempt: 1 })
}

/// What becomes of a repo whose agent is gone.
fn again(claim: &Claim, known: &Known<'_>) -> RepoState {
    if claim.attempt < known.attempts {
        return RepoState::Ready { attempt: claim.attempt.saturating_add(1) };
    }
    let why = format!("its agent was lost {} times, last {}", claim.attempt, claim.agent);
    RepoState::Failed(end(known.by, claim.attempt, Some(claim), Some(why)))
}

/// What becomes of a repo of a run that is to end: an agent that works on it says so itself.
fn cancelled(repo: &RepoName, state: &RepoState, wished_by: &str, known: &Known<'_>) -> Option<RepoState> {
    match state {
        RepoState::Waiting => Some(RepoState::Cancelled(end(wished_by, 0, None, None))),
        RepoState::Ready { attempt } => {
            Some(RepoState::Cancelled(end(wished_by, attempt.saturating_sub(1), None, None)))
        }
        RepoState::Running(claim) if (known.is_gone)(repo, claim) => {
            let why = format!("its agent {} was lost", claim.agent);
            Some(RepoState::Cancelled(end(known.by, claim.attempt, Some(claim), Some(why))))
        }
        _ => None,
    }
}

fn end(by: &str, attempt: u32, claim: Option<&Claim>, error: Option<String>) -> End {
    End {
        attempt,
        by: by.to_owned(),
        since: claim.map(|claim| claim.since),
        at: Timestamp::now(),
        commit: claim.and_then(|claim| claim.commit.clone()),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{RepoView, Run, RunId, RunRepo, Wish};

    fn name(text: &str) -> RepoName {
        text.parse().unwrap()
    }

    /// api, then web and worker, then site after web.
    fn view(states: [RepoState; 4]) -> RunView {
        let order: [(&str, &[&str]); 4] =
            [("api", &[]), ("web", &["api"]), ("worker", &["api"]), ("site", &["web"])];
        let repos = order.iter().map(|(repo, after)| RunRepo {
            repo: name(repo),
            after: after.iter().map(|name| name.parse().unwrap()).collect(),
            task: "deploy".into(),
        });
        let run = Run {
            id: RunId::new().unwrap(),
            env: "staging".parse().unwrap(),
            by: "ada".into(),
            created: Timestamp::now(),
            repos: repos.collect(),
            wait: None,
        };
        let repos = run.repos.iter().zip(states).enumerate().map(|(at, (repo, state))| RepoView {
            repo: repo.repo.clone(),
            state,
            revision: Revision(at as u64 + 2),
        });
        let repos = repos.collect();
        RunView { run, phase: RunPhase::Open, phase_revision: Revision(1), repos, revision: Revision(5) }
    }

    fn told(view: &RunView, gone: bool, given_up: bool) -> Vec<String> {
        let known = Known {
            by: "eve",
            attempts: 3,
            is_gone: &|_, _| gone,
            given_up: &|_| given_up.then(|| "nobody serves it".into()),
        };
        moves(view, &known)
            .iter()
            .map(|next| format!("{} {} {}", next.repo, next.state, next.state.attempt()))
            .collect()
    }

    fn running(attempt: u32) -> RepoState {
        RepoState::Running(Claim {
            attempt,
            agent: "bob".into(),
            lease: "x".into(),
            since: Timestamp::now(),
            commit: None,
        })
    }

    fn done() -> RepoState {
        RepoState::Done(end("bob", 1, None, None))
    }

    fn failed() -> RepoState {
        RepoState::Failed(end("bob", 1, None, Some("no".into())))
    }

    const WAITING: RepoState = RepoState::Waiting;

    #[test]
    fn a_repo_becomes_ready_when_all_it_waits_for_are_done_and_not_before() {
        assert_eq!(told(&view([WAITING, WAITING, WAITING, WAITING]), false, false), ["api ready 1"]);
        for before in [RepoState::Ready { attempt: 1 }, running(1)] {
            assert_eq!(told(&view([before, WAITING, WAITING, WAITING]), false, false), [""; 0]);
        }
        assert_eq!(
            told(&view([done(), WAITING, WAITING, WAITING]), false, false),
            ["web ready 1", "worker ready 1"]
        );
        assert_eq!(told(&view([done(), done(), running(1), WAITING]), false, false), ["site ready 1"]);
        assert_eq!(told(&view([done(), done(), done(), done()]), true, true), [""; 0]);
    }

    #[test]
    fn a_failure_skips_everything_behind_it_at_once() {
        let next = told(&view([failed(), WAITING, WAITING, WAITING]), false, false);
        assert_eq!(next, ["web skipped 0", "worker skipped 0", "site skipped 0"]);
        let next = told(&view([done(), failed(), running(1), WAITING]), false, false);
        assert_eq!(next, ["site skipped 0"]);
    }

    #[test]
    fn what_a_lost_agent_worked_on_is_tried_again_but_not_for_ever() {
        assert_eq!(told(&view([running(1), WAITING, WAITING, WAITING]), true, false), ["api ready 2"]);
        let last = view([running(3), WAITING, WAITING, WAITING]);
        assert_eq!(told(&last, true, false)[0], "api failed 3");
        assert_eq!(told(&last, false, false), [""; 0]);
    }

    #[test]
    fn a_repo_that_nobody_serves_fails_and_skips_the_rest() {
        let next = told(&view([RepoState::Ready { attempt: 1 }, WAITING, WAITING, WAITING]), false, true);
        assert_eq!(next, ["api failed 0", "web skipped 0", "worker skipped 0", "site skipped 0"]);
    }

    #[test]
    fn a_run_that_is_to_end_begins_nothing_and_leaves_living_agents_to_say_so_themselves() {
        let mut ending = view([done(), running(1), RepoState::Ready { attempt: 2 }, WAITING]);
        ending.phase = RunPhase::Cancelling(Wish { by: "ada".into(), at: Timestamp::now() });
        assert_eq!(told(&ending, false, true), ["worker cancelled 1", "site cancelled 0"]);
        assert_eq!(told(&ending, true, true), ["web cancelled 1", "worker cancelled 1", "site cancelled 0"]);
        ending.phase = RunPhase::Closed;
        assert_eq!(told(&ending, true, true), [""; 0]);
    }
}
