//! The flags that every task has, before and after its name.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};

/// The prefix of their ids, so that a task's own flag may have any id.
const ID: &str = "infra-sdk::";

/// What was given, from left to right; a later value wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct GlobalFlags {
    pub(crate) env: Option<String>,
    pub(crate) jobs: Option<u32>,
    pub(crate) keep_going: bool,
    pub(crate) dry_run: bool,
    pub(crate) yes: Vec<String>,
    pub(crate) confirm_env: Option<String>,
    pub(crate) json: bool,
    pub(crate) list: bool,
    pub(crate) graph: Option<String>,
    pub(crate) completions: Option<String>,
    pub(crate) help: bool,
}

/// The flags as clap's builder wants them, without `--help`.
pub(crate) fn global_args() -> Vec<Arg> {
    let arg =
        |name: &'static str| Arg::new(format!("{ID}{name}")).long(name).help_heading("Options of every task");
    let value = |name: &'static str, value: &'static str| arg(name).value_name(value).action(ArgAction::Set);
    let switch = |name: &'static str| arg(name).action(ArgAction::SetTrue);
    let one_of = |values: &'static [&'static str]| PossibleValuesParser::new(values);
    vec![
        value("env", "NAME").help("Environment to work on [INFRA_ENV, else local]"),
        value("jobs", "N")
            .short('j')
            .value_parser(clap::value_parser!(u32).range(1..))
            .help("Tasks at the same time [INFRA_JOBS, else the number of CPUs]"),
        switch("keep-going").short('k').help("After a failure run what does not depend on it"),
        switch("dry-run").short('n').help("Show the plan; run only what changes nothing"),
        arg("yes")
            .value_name("TASK")
            .action(ArgAction::Append)
            .require_equals(true)
            .help("Confirm this dangerous task; repeatable"),
        value("confirm-env", "NAME").help("Confirm this protected environment, with --yes"),
        value("output", "FORMAT").value_parser(one_of(&["text", "json"])).help("Form of results"),
        switch("list").short('l').help("List the tasks"),
        value("graph", "FORMAT")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("text")
            .value_parser(one_of(&["text", "dot"]))
            .help("Show what waits for what: `--graph` or `--graph dot`"),
        value("completions", "SHELL")
            .value_parser(one_of(&["bash", "elvish", "fish", "powershell", "zsh"]))
            .help("Print the completions for a shell"),
    ]
}

impl GlobalFlags {
    /// Adds what one piece of the command line has.
    pub(crate) fn add(&mut self, matches: &ArgMatches) {
        let id = |name: &str| format!("{ID}{name}");
        let text = |name: &str| matches.get_one::<String>(&id(name)).cloned();
        self.env = text("env").or(self.env.take());
        self.jobs = matches.get_one::<u32>(&id("jobs")).copied().or(self.jobs);
        self.keep_going |= matches.get_flag(&id("keep-going"));
        self.dry_run |= matches.get_flag(&id("dry-run"));
        self.yes.extend(matches.get_many::<String>(&id("yes")).into_iter().flatten().cloned());
        self.confirm_env = text("confirm-env").or(self.confirm_env.take());
        self.json = text("output").map_or(self.json, |format| format == "json");
        self.list |= matches.get_flag(&id("list"));
        self.graph = text("graph").or(self.graph.take());
        self.completions = text("completions").or(self.completions.take());
    }
}
