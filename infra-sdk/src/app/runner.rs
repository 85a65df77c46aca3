//! Running a plan: what is ready starts, as many at a time as allowed; the first failure stops the rest.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use tokio::task::JoinSet;

use crate::app::attempt::{self, Work};
use crate::app::cx::{Cx, Shared};
use crate::app::graph::{Plan, Queue};
use crate::app::lane::Lane;
use crate::app::needs::Output as Produced;
use crate::app::node::Node;
use crate::app::reported::Reported;
use crate::app::summary::{Failure, Outcome, Summary, TaskState, cancellation};
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result};
use crate::time::human;

/// A task that took longer is told to be done even if it printed nothing.
const WORTH_TELLING: Duration = Duration::from_millis(500);

/// What a run is given.
pub(crate) struct Runner<'a> {
    pub(crate) nodes: &'a [Node],
    pub(crate) plan: &'a Plan,
    pub(crate) shared: Arc<Shared>,
    /// The flags of each task that has some.
    pub(crate) flags: HashMap<u32, Arc<ArgMatches>>,
    pub(crate) jobs: usize,
    pub(crate) keep_going: bool,
    /// Cancels the whole run.
    pub(crate) cancel: CancelToken,
}

struct Ended {
    index: u32,
    result: Result<Produced>,
    took: Duration,
    lane: Arc<Lane>,
}

struct Progress {
    queue: Queue,
    running: JoinSet<Ended>,
    produced: Vec<Option<Produced>>,
    states: Vec<TaskState>,
    took: Vec<Duration>,
    reports: HashMap<u32, Vec<Reported>>,
    failures: Vec<Failure>,
    single: bool,
}

impl Runner<'_> {
    /// Runs the plan to its end.
    pub(crate) async fn run(self) -> Summary {
        let started = Instant::now();
        let count = self.nodes.len();
        let mut now = Progress {
            queue: Queue::new(self.nodes, &self.plan.order),
            running: JoinSet::new(),
            produced: vec![None; count],
            states: vec![TaskState::NotRun; count],
            took: vec![Duration::ZERO; count],
            reports: HashMap::new(),
            failures: Vec::new(),
            single: self.plan.order.len() == 1,
        };
        // Tasks hear this one: a failure cancels them without cancelling the caller's token.
        let tasks = self.cancel.child();
        let mut patience = pin!(self.patience(&tasks));
        loop {
            while now.running.len() < self.jobs && !tasks.is_cancelled() {
                let Some(index) = now.queue.pop() else { break };
                self.start(index, &mut now, &tasks);
            }
            let next = tokio::select! {
                biased;
                next = now.running.join_next() => next,
                () = &mut patience => {
                    let left = now.running.len();
                    self.shared.output.note(&format!("{left} of the tasks did not stop; they are left behind"));
                    break;
                }
            };
            match next {
                Some(Ok(ended)) => self.finish(ended, &mut now, &tasks),
                // Panics are caught inside and nothing is aborted, so this is an end without a result.
                Some(Err(_)) => tasks.cancel(),
                None => break,
            }
        }
        self.shared.output.finish();
        let outcomes = self.plan.order.iter().map(|&index| self.outcome(index, &mut now)).collect();
        Summary {
            outcomes,
            failures: now.failures,
            took: started.elapsed(),
            cancelled: self.cancel.is_cancelled().then(cancellation),
        }
    }

    /// Ends when no task has a reason to be still running: the run was cancelled and
    /// the longest grace is over. A body that blocks its thread cannot be dropped, only left.
    async fn patience(&self, tasks: &CancelToken) {
        tasks.cancelled().await;
        let graces = self.plan.order.iter().map(|index| self.nodes[*index as usize].settings.grace);
        let asked = Duration::from_millis(self.shared.longest_grace.load(Ordering::Relaxed));
        let longest = graces.max().unwrap_or_default().max(asked);
        tokio::time::sleep(longest.saturating_add(attempt::AFTER_GRACE * 2)).await;
    }

    fn outcome(&self, index: u32, now: &mut Progress) -> Outcome {
        let (at, node) = (index as usize, &self.nodes[index as usize]);
        Outcome {
            index,
            name: node.name.clone(),
            hidden: node.settings.hidden,
            state: now.states[at],
            took: now.took[at],
            reports: now.reports.remove(&index).unwrap_or_default(),
        }
    }

    fn start(&self, index: u32, now: &mut Progress, tasks: &CancelToken) {
        let node = &self.nodes[index as usize];
        let inputs: Option<Vec<Produced>> =
            node.needs.iter().map(|need| now.produced[*need as usize].clone()).collect();
        let inputs = match inputs {
            Some(inputs) if !self.shared.dry_run || node.settings.read_only => inputs,
            // A dry run: its body, or one it needs, would change something.
            _ => {
                now.states[index as usize] = TaskState::Planned;
                return now.queue.done(index);
            }
        };
        // What starts and never ends was cancelled; every end overwrites this.
        now.states[index as usize] = TaskState::Cancelled;
        let token = tasks.child();
        let requested = self.plan.is_requested(index);
        let lane = Arc::new(Lane::new(self.shared.output.clone(), index, node.name.clone(), requested));
        let cx = Cx::new(self.shared.clone(), lane.clone(), token.clone(), node.settings.grace);
        let flags = self.flags.get(&index).cloned();
        let (job, settings) = (node.job.clone(), node.settings.clone());
        now.running.spawn(async move {
            let started = Instant::now();
            let result = attempt::run(Work { job, flags, inputs, settings, cx, token }).await;
            Ended { index, result, took: started.elapsed(), lane }
        });
    }

    fn finish(&self, ended: Ended, now: &mut Progress, tasks: &CancelToken) {
        let Ended { index, result, took, lane } = ended;
        let at = index as usize;
        now.took[at] = took;
        let result = match lane.take_reports() {
            Ok(reports) => {
                if !reports.is_empty() {
                    now.reports.insert(index, reports);
                }
                result
            }
            Err(error) => result.and(Err(error)),
        };
        match result {
            Ok(produced) => {
                now.states[at] = TaskState::Done;
                now.produced[at] = Some(produced);
                now.queue.done(index);
                if !self.nodes[at].settings.hidden && worth_telling(&lane, took, now.single) {
                    lane.output.ended(&lane, "✓", "32", &format!("{} ({})", lane.name, human(took)));
                }
            }
            // What ends with an error after the run was cancelled ends because of that.
            Err(error) if tasks.is_cancelled() => {
                now.states[at] = TaskState::Cancelled;
                if error.kind() != ErrorKind::Cancelled || !error.hints().is_empty() {
                    lane.output.ended(
                        &lane,
                        "✗",
                        "33",
                        &format!("{} while it was cancelled: {error}", lane.name),
                    );
                }
            }
            Err(error) => {
                now.states[at] = TaskState::Failed;
                if !now.single {
                    lane.output.ended(&lane, "✗", "31", &format!("{} ({}): {error}", lane.name, human(took)));
                }
                now.failures.push(Failure { task: lane.name.clone(), error });
                if !self.keep_going {
                    tasks.cancel();
                }
            }
        }
        lane.output.end(&lane);
    }
}

fn worth_telling(lane: &Lane, took: Duration, single: bool) -> bool {
    took >= WORTH_TELLING || lane.has_printed() != single
}
