//! Becoming the process that evaluates: limits first, then rule after rule, each announced before it is asked.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::rego::engine::Engine;
use crate::rego::limits::Limits;
use crate::rego::message::{HEAVIEST, Message};
use crate::rego::talk::{Event, Job, Kind, Rule, TOO_LONG, VERSION, Wanted};

/// The first argument that turns a program into one that evaluates policies.
pub(super) const ASKED: &str = "__infra-policy";

/// The most things a rule may say about one plan.
const MOST: usize = 10_000;

/// Room for deep expressions; the interpreter walks them by calling itself.
const STACK: usize = 64 << 20;

/// How much longer than the interpreter's own clock the one outside of it waits.
const SPARE: Duration = Duration::from_millis(500);

/// Evaluates policies if the arguments of this program ask for it.
///
/// Policies are evaluated in a second process of the very program that judges a plan. So such a program calls this
/// first, before it reads its arguments; [`infra_sdk::main`](crate::main) does.
///
/// ```
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = infra_sdk::rego::evaluate_if_asked(std::env::args_os()) {
///         return code;
///     }
///     // The program itself.
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn evaluate_if_asked(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    if args.into_iter().nth(1)? != ASKED {
        return None;
    }
    // The lines go to whoever asked. Nobody there to read them means nobody to answer.
    let work =
        std::thread::Builder::new().stack_size(STACK).spawn(|| work(io::stdin().lock(), io::stdout(), true));
    Some(match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Reads a job and its inputs, and writes what the rules say. `limit`: also limits this whole process.
fn work(mut asked: impl BufRead, mut told: impl Write, limit: bool) -> io::Result<()> {
    let mut tell = |event: &Event| -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        told.write_all(&line)?;
        told.flush()
    };
    tell(&Event::Hello(VERSION))?;
    let mut line = Vec::new();
    asked.read_until(b'\n', &mut line)?;
    let job: Job = serde_json::from_slice(&line)?;
    let clock = Clock::default();
    if limit {
        // A process that cannot be limited evaluates nothing.
        limit_memory(&job.limits)?;
        clock.guard(job.limits)?;
    }
    // Reading and preparing policies takes time as well.
    let engine = clock.during(|| Engine::new(&job.policies, job.limits.each));
    let mut engine = match engine {
        Ok(engine) => engine,
        Err(why) => return tell(&Event::Refused(why)),
    };
    let wanted = |rule: &&Rule| (rule.kind == Kind::Test) == (job.wanted == Wanted::Test);
    let rules: Vec<Rule> = engine.rules().iter().filter(wanted).cloned().collect();
    tell(&Event::Rules(rules.clone()))?;
    let mut open: Vec<bool> = rules.iter().map(|rule| !job.without.contains(&rule.name)).collect();
    let mut said = Said { things: vec![0; rules.len()], weight: 0 };
    for input in 0.. {
        line.clear();
        if asked.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = std::str::from_utf8(&line).map_err(io::Error::other)?;
        if let Err(why) = clock.during(|| engine.set_input(text)) {
            tell(&Event::Unread { input, why })?;
            continue;
        }
        for (index, rule) in rules.iter().enumerate() {
            if !open[index] {
                continue;
            }
            tell(&Event::Asking { rule: index, input })?;
            let answer = clock.during(|| ask(&mut engine, rule)).and_then(|answer| match answer {
                Answer::Said(messages) => said.take(index, messages).map(Answer::Said),
                tested @ Answer::Tested(_) => Ok(tested),
            });
            match answer {
                Ok(Answer::Said(messages)) if messages.is_empty() => {}
                Ok(Answer::Said(messages)) => tell(&Event::Said { rule: index, input, messages })?,
                Ok(Answer::Tested(passed)) => tell(&Event::Tested { rule: index, passed })?,
                Err(why) => {
                    open[index] = false;
                    tell(&Event::Broke { rule: index, input, why })?;
                }
            }
        }
    }
    tell(&Event::Done)
}

enum Answer {
    Said(Vec<Message>),
    Tested(bool),
}

fn ask(engine: &mut Engine, rule: &Rule) -> Result<Answer, String> {
    match rule.kind {
        Kind::Test => engine.test(rule).map(Answer::Tested),
        Kind::Deny | Kind::Warn => engine.ask(rule).map(Answer::Said),
    }
}

/// How much was said so far: whoever asked keeps all of it.
struct Said {
    /// By rule.
    things: Vec<usize>,
    /// Of all rules together.
    weight: usize,
}

impl Said {
    /// Lets messages of a rule pass. A rule that says too much has said nothing that can be relied on, so it broke.
    fn take(&mut self, rule: usize, messages: Vec<Message>) -> Result<Vec<Message>, String> {
        self.things[rule] += messages.len();
        if self.things[rule] > MOST {
            return Err(format!("it says more than {MOST} things"));
        }
        let weight = self.weight + messages.iter().map(Message::weight).sum::<usize>();
        if weight > HEAVIEST {
            return Err(format!("with what it says, all rules say more than {} MiB", HEAVIEST >> 20));
        }
        self.weight = weight;
        Ok(messages)
    }
}

/// Since when a rule is under way, seen from outside of the interpreter.
#[derive(Clone)]
struct Clock {
    origin: Instant,
    /// Milliseconds after the origin, from 1; 0 while nothing is under way.
    began: Arc<AtomicU64>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { origin: Instant::now(), began: Arc::default() }
    }
}

impl Clock {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.began.store(self.now(), Ordering::Relaxed);
        let done = work();
        self.began.store(0, Ordering::Relaxed);
        done
    }

    /// Ends this process when one step takes too long, or all of them, whoever asked being gone.
    fn guard(&self, limits: Limits) -> io::Result<()> {
        let (clock, each) = (self.clone(), limits.each + SPARE);
        let total = limits.total + SPARE;
        let watch = move || loop {
            std::thread::sleep(SPARE / 10);
            let began = clock.began.load(Ordering::Relaxed);
            let step = Duration::from_millis(clock.now().saturating_sub(began));
            if began > 0 && step > each || clock.origin.elapsed() > total {
                std::process::exit(i32::from(TOO_LONG));
            }
        };
        std::thread::Builder::new().stack_size(256 << 10).spawn(watch)?;
        Ok(())
    }
}

/// Lets the kernel refuse more memory, which ends this process.
#[cfg(target_os = "linux")]
fn limit_memory(limits: &Limits) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let only = |bytes: u64| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    let stacks = STACK as u64 + (4 << 20);
    setrlimit(Resource::Core, only(0))?;
    setrlimit(Resource::Data, only(limits.memory.saturating_add(stacks)))?;
    // Where the other one is not kept: with room for the program itself and what allocators set aside.
    setrlimit(Resource::As, only(limits.memory.saturating_add(stacks).saturating_add(1 << 30)))?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: &Limits) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rego::policies::Policies;

    fn events(policy: &str, wanted: Wanted, without: &[&str], inputs: &[&str]) -> Vec<Event> {
        let mut policies = Policies::default();
        policies.add("policy/x.rego", policy);
        let without = without.iter().map(|name| (*name).to_owned()).collect();
        let job = Job { policies, limits: Limits::default(), wanted, without };
        let asked = format!("{}\n{}\n", serde_json::to_string(&job).unwrap(), inputs.join("\n"));
        let mut told = Vec::new();
        work(asked.as_bytes(), &mut told, false).unwrap();
        told.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn a_program_evaluates_only_when_asked_with_the_first_argument() {
        let args = |args: &[&str]| evaluate_if_asked(args.iter().map(OsString::from)).is_some();
        assert!(!args(&["xtask"]) && !args(&["xtask", "infra:policy:check", ASKED]));
    }

    #[test]
    fn each_rule_is_announced_before_it_is_asked_and_one_that_broke_is_left_out() {
        let policy = "package a\ndeny contains input.x if input.x\nwarn contains msg if msg := 1 / input.y\n";
        let told = events(policy, Wanted::Judge, &[], &[r#"{"x": "1", "y": 0}"#, r#"{"x": "2", "y": 1}"#]);
        let short: Vec<String> = told
            .iter()
            .map(|event| match event {
                Event::Asking { rule, input } => format!("asking {rule} {input}"),
                Event::Said { messages, .. } => format!("said {}", messages[0].msg),
                Event::Broke { rule, .. } => format!("broke {rule}"),
                other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
            })
            .collect();
        assert_eq!(
            short,
            [
                "Hello",
                "Rules",
                "asking 0 0",
                "said 1",
                "asking 1 0",
                "broke 1",
                "asking 0 1",
                "said 2",
                "Done"
            ]
        );
        let told = events(policy, Wanted::Judge, &["a.warn"], &[r#"{"y": 0}"#]);
        assert!(!told.iter().any(|event| matches!(event, Event::Broke { .. })));
    }

    #[test]
    fn what_all_rules_say_together_has_a_bound() {
        let mut said = Said { things: vec![0; 3], weight: 0 };
        let messages = |count: usize, length: usize| {
            Message::all(vec!["x".repeat(length); count].into()).expect("these are messages")
        };
        assert!(said.take(0, messages(1_000, 20_000)).is_ok());
        let refused = said.take(1, messages(1_000, 20_000)).unwrap_err();
        assert!(refused.contains("all rules say more than 32 MiB"), "{refused}");
        assert!(said.take(2, messages(MOST, 1)).is_ok());
        assert!(said.take(2, messages(1, 1)).unwrap_err().contains("more than 10000 things"));
    }

    #[test]
    fn tests_are_asked_once_and_pass_only_when_true() {
        let policy = "package a\nok if input.n > 1\ntest_good if ok with input as {\"n\": 2}\ntest_bad if ok with input as {\"n\": 1}\n";
        let told = events(policy, Wanted::Test, &[], &["{}"]);
        let passed: Vec<bool> = told
            .iter()
            .filter_map(|event| match event {
                Event::Tested { passed, .. } => Some(*passed),
                _ => None,
            })
            .collect();
        assert_eq!(passed, [false, true]);
    }
}
