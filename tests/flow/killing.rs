//! Killing at random what a deploy over many repos is made of, and what has to be true all the same.

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::world::until;

/// A source of numbers that gives the same ones in every run of the tests.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// How much is killed, and what.
pub(crate) struct Killing<'a> {
    pub(crate) fleet: &'a Fleet,
    /// The repos, each with those it waits for.
    pub(crate) repos: &'a [(&'a str, &'a [&'a str])],
    /// How many of them, over as many runs as it takes. Then they live, or a run whose leaders never live as long as a lease
    /// would not end.
    pub(crate) kills: u32,
    /// The lease of a coordinator that takes over.
    pub(crate) lease: &'a str,
    /// When all of it has to be over.
    pub(crate) within: Duration,
    /// What else dies, beside coordinators and agents, and comes back.
    pub(crate) server: Option<&'a mut dyn FnMut()>,
}

impl Killing<'_> {
    /// Runs until enough was killed: each run is done, each repo of it once and in order; then `ended` looks at the run.
    pub(crate) fn go(mut self, ended: impl Fn(&str)) {
        let (fleet, begun) = (self.fleet, Instant::now());
        let (mut dice, mut kills) = (Dice(20_261_129), 0);
        let mut agents = [fleet.agent(&["--slots", "2"]), fleet.agent(&["--slots", "2"])];
        while kills < self.kills {
            let before = fleet.log().len();
            let mut coordinator = fleet.all(&[]);
            let run = coordinator.run();
            while !coordinator.has_ended() {
                std::thread::sleep(Duration::from_millis(50 + dice.below(450)));
                assert!(begun.elapsed() < self.within, "{}", fleet.status(&run));
                if kills == self.kills {
                    continue;
                }
                match (dice.below(5), &mut self.server) {
                    (0, _) => {
                        let next = fleet.start("web", &["infra:deploy:resume", &run, "--lease", self.lease]);
                        std::mem::replace(&mut coordinator, next).kill();
                    }
                    (1, Some(restart)) => restart(),
                    (n, _) => {
                        let which = usize::from(n % 2 == 1);
                        std::mem::replace(&mut agents[which], fleet.agent(&["--slots", "2"])).kill();
                    }
                }
                kills += 1;
            }
            let (code, said) = coordinator.end();
            assert_eq!(code, Some(0), "{said}");
            let states = fleet.states(&run);
            assert!(states.iter().all(|repo| repo.ends_with(" done")), "{states:?}");
            until("what lost its agent has ended", || {
                let log = fleet.log();
                let count = |what: &str| log[before..].iter().filter(|line| line.contains(what)).count();
                count(" start ") == count(" end ") + count(" stopped ")
            });
            fleet.check_log(&fleet.log()[before..], self.repos);
            ended(&run);
        }
    }
}
