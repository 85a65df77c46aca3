//! `infra:nats:*`: what repos tell each other, and whether they can.

use std::io::Read;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;

use crate::app::{Cx, Pack, TaskArgs, TaskRef};
use crate::config::Span;
use crate::error::{Error, Result};
use crate::events::{Access, MOST_BYTES, Query, Source, Start};
use crate::infra::Infra;
use crate::names::{EnvName, quoted};
use crate::tasks::{nats_deploy, nats_health};
use crate::time::Timestamp;

/// The handles of `infra:nats:*`.
#[derive(Clone, Copy, Debug)]
pub struct NatsTasks {
    /// Says whether NATS can be used.
    pub health: TaskRef<()>,
    /// Makes the streams and buckets ready.
    pub bootstrap: TaskRef<()>,
    /// Shows what a repo's user may do.
    pub access: TaskRef<()>,
    /// Tells the other repos something.
    pub publish: TaskRef<()>,
    /// Shows what repos tell each other.
    pub watch: TaskRef<()>,
    /// Writes the files of a NATS server of one's own.
    pub deploy: TaskRef<()>,
}

pub(super) fn register(pack: &mut Pack<'_>) -> NatsTasks {
    NatsTasks {
        health: nats_health::register(pack),
        bootstrap: pack
            .task("nats:bootstrap")
            .about("Make and correct the streams and buckets that events, runs and the ledger are kept in")
            .danger_unless_local()
            .plans()
            .run(bootstrap),
        access: pack
            .task("nats:access")
            .about("Show what a user of NATS may do who speaks for one repo alone")
            .args::<AccessFlags>()
            .read_only()
            .run(access),
        publish: pack
            .task("nats:publish")
            .about("Tell the other repos of this environment something")
            .args::<PublishFlags>()
            .plans()
            .run(publish),
        watch: pack
            .task("nats:watch")
            .about("Show what repos tell each other on this server, in every environment, until Ctrl-C")
            .args::<WatchFlags>()
            .read_only()
            .run(watch),
        deploy: nats_deploy::register(pack),
    }
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

struct AccessFlags {
    repo: String,
    access: Access,
}

impl TaskArgs for AccessFlags {
    fn augment(command: Command) -> Command {
        let repo = Arg::new("repo").value_name("REPO");
        let deploys = Arg::new("deploys").long("deploys").action(ArgAction::SetTrue);
        command
            .arg(repo.help(
                "The repo, as `shop` or `/acme/shop`; default: this one. The text is a block of a server's configuration; \
                 with `--output json` it is what a user's JWT has",
            ))
            .arg(deploys.help("Also what takes part in deploys over many repos: infra:deploy:all and infra:deploy:agent"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        let access = if matches.get_flag("deploys") { Access::Deploys } else { Access::Events };
        Ok(AccessFlags { repo: text(matches, "repo").unwrap_or_default(), access })
    }
}

struct PublishFlags {
    kind: String,
    data: Option<String>,
    subject: Option<EnvName>,
    id: Option<String>,
}

impl TaskArgs for PublishFlags {
    fn augment(command: Command) -> Command {
        let kind = Arg::new("type").value_name("TYPE").required(true);
        let data = Arg::new("data").long("data").value_name("JSON").allow_hyphen_values(true);
        let subject = Arg::new("subject").long("subject").value_name("ENV");
        let id = Arg::new("id").long("id").value_name("ID");
        command
            .arg(kind.help("What happened, such as `shop.opened`"))
            .arg(data.help("What else there is to know, never a secret; `-` reads it from standard input"))
            .arg(subject.help("The environment it happened to; default: the one of `--env`"))
            .arg(id.help("What it is known by: publishing it again adds nothing; default: a new one"))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(PublishFlags {
            kind: kind(text(matches, "type").unwrap_or_default())?,
            data: text(matches, "data"),
            subject: text(matches, "subject").map(|name| name.parse()).transpose()?,
            id: text(matches, "id"),
        })
    }
}

struct WatchFlags {
    kind: Option<String>,
    source: Option<String>,
    from: Start,
    count: Option<u64>,
}

impl TaskArgs for WatchFlags {
    fn augment(command: Command) -> Command {
        let kind = Arg::new("type").long("type").value_name("TYPE");
        let source = Arg::new("source").long("source").value_name("REPO");
        let since = Arg::new("since").long("since").value_name("TIME");
        let count = Arg::new("count").long("count").value_name("N").action(ArgAction::Set);
        command
            .arg(kind.help("Only events of this type or below it: `deploy` also means `deploy.done`"))
            .arg(source.help("Only events of this repo, as `shop` or `/acme/shop`"))
            .arg(since.help(
                "Also what was told since then: `2h`, `2026-11-20T10:44:00Z`, or `start` for all; default: only what comes \
                 from now on",
            ))
            .arg(count.value_parser(value_parser!(u64).range(1..)).help(
                "End after so many; with `--output json` the events are one document, printed at the end",
            ))
    }
    fn from_matches(matches: &ArgMatches) -> Result<Self> {
        Ok(WatchFlags {
            kind: text(matches, "type").map(kind).transpose()?,
            source: text(matches, "source"),
            from: start(text(matches, "since").as_deref())?,
            count: matches.get_one("count").copied(),
        })
    }
}

/// The type of an event as people write it. Those of other programs are read whatever they are; here a space or a wildcard is a
/// slip, which nobody who watches for the word would find.
fn kind(text: String) -> Result<String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
    if !text.contains(odd) && text.split('.').all(|word| !word.is_empty()) {
        return Ok(text);
    }
    Err(Error::invalid(format!("{} is not a type of events", quoted(&text)))
        .because("a type is words with dots between them, without white space, `*` and `>`")
        .hint("use a word such as `shop.opened`"))
}

fn start(since: Option<&str>) -> Result<Start> {
    let Some(text) = since else { return Ok(Start::Newest) };
    if text == "start" {
        return Ok(Start::Oldest);
    }
    if let Ok(time) = text.parse() {
        return Ok(Start::Since(time));
    }
    let long_ago =
        text.parse::<Span>().ok().and_then(|span| Timestamp::now().system_time().checked_sub(span.0));
    long_ago.map(|time| Start::Since(time.into())).ok_or_else(|| {
        Error::invalid(format!("{} is not a time", quoted(text)))
            .hint("write it like `2h`, `2026-11-20T10:44:00Z` or `start`")
    })
}

/// A repo as people write it: of this organisation, or with its own.
fn source(infra: &Infra, text: &str) -> Result<Source> {
    match text {
        "" => Ok(infra.source()),
        full if full.starts_with('/') => full.parse(),
        repo => Ok(Source::new(infra.settings().project.org.clone(), repo.parse()?)),
    }
}

async fn access(cx: Cx, flags: AccessFlags) -> Result<()> {
    let infra = cx.infra().await?;
    cx.report(&infra.event_permissions(&source(&infra, &flags.repo)?, flags.access)?);
    Ok(())
}

async fn bootstrap(cx: Cx) -> Result<()> {
    let infra = cx.infra().await?;
    let plan = infra.plan_events_setup().await?;
    if cx.is_dry_run() {
        cx.report(&plan);
        return plan.require_unobstructed();
    }
    let done = infra.set_up_events(plan).await?;
    cx.report(&done);
    done.done.require_unobstructed()
}

async fn publish(cx: Cx, flags: PublishFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let data = match flags.data.as_deref() {
        None => Value::Null,
        Some("-") => json(&read_all()?)?,
        Some(text) => json(text)?,
    };
    let mut event = infra.new_event(&flags.kind, data)?;
    if let Some(subject) = &flags.subject {
        event.subject = Some(subject.to_string());
    }
    if let Some(id) = flags.id {
        event.id = id;
    }
    if event.id.is_empty() {
        return Err(Error::invalid("an event needs an id")
            .hint("leave out `--id`, or write it like `infra:nats:publish shop.opened --id 2026-11-20`"));
    }
    if cx.is_dry_run() {
        cx.report(&infra.would_publish_event(event)?);
        return Ok(());
    }
    cx.report(&infra.publish_event(event).await?);
    Ok(())
}

fn read_all() -> Result<String> {
    let mut text = String::new();
    // One byte more than can be published shows that there is too much.
    let mut input = std::io::stdin().lock().take(MOST_BYTES as u64 + 1);
    input.read_to_string(&mut text).map_err(|error| {
        Error::invalid("read the data of an event from standard input")
            .because(error)
            .hint("give it JSON in UTF-8")
    })?;
    if text.len() > MOST_BYTES {
        return Err(Error::invalid("an event is too large")
            .with("at most", MOST_BYTES)
            .hint("put the data where readers can fetch it, and its address into the event"));
    }
    Ok(text)
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid("the data of an event is not JSON")
            .with("at", format!("{}:{}", error.line(), error.column()))
            .because(error)
            .hint("write it like `--data '{\"door\": 2}'`")
    })
}

async fn watch(cx: Cx, flags: WatchFlags) -> Result<()> {
    let infra = cx.infra().await?;
    let source = flags.source.map(|text| source(&infra, &text)).transpose()?;
    let query = Query { from: flags.from, source, kind: flags.kind, limit: 0 };
    infra.watch_events(query, flags.count, |heard| cx.report(heard)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::events::Event;

    #[test]
    fn since_is_a_length_a_time_or_the_start() {
        assert_eq!(start(None).unwrap(), Start::Newest);
        assert_eq!(start(Some("start")).unwrap(), Start::Oldest);
        let time = "2026-11-20T10:44:00Z";
        assert_eq!(start(Some(time)).unwrap(), Start::Since(time.parse().unwrap()));
        let Start::Since(two_hours_ago) = start(Some("2h")).unwrap() else { panic!("not a time") };
        let passed = two_hours_ago.elapsed().as_secs();
        assert!((7_200..7_260).contains(&passed), "{passed}");
        for bad in ["", "yesterday", "2", "-2h", "9999999999999999d"] {
            assert!(start(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_type_that_is_no_word_is_refused_where_people_write_it() {
        let publish = |kind: &str| {
            let command = PublishFlags::augment(Command::new("x").no_binary_name(true));
            PublishFlags::from_matches(&command.try_get_matches_from([kind]).unwrap()).map(|flags| flags.kind)
        };
        let watch = |kind: &str| {
            let command = WatchFlags::augment(Command::new("x").no_binary_name(true));
            let matches = command.try_get_matches_from(["--type", kind]).unwrap();
            WatchFlags::from_matches(&matches).map(|flags| flags.kind.unwrap_or_default())
        };
        for good in ["shop.opened", "x", "com.example/Käse_1"] {
            assert_eq!((publish(good).unwrap(), watch(good).unwrap()), (good.to_owned(), good.to_owned()));
        }
        for bad in ["shop opened", " shop", "shop\n", "a\u{a0}b", "a\u{1b}[1m", ""] {
            for error in [publish(bad).unwrap_err(), watch(bad).unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
                assert!(error.hints()[0].contains("shop.opened"), "{}", error.report());
            }
        }
        // What others published stays readable.
        let text = r#"{"specversion":"1.0","id":"1","source":"/acme/shop","type":"shop opened"}"#;
        assert_eq!(serde_json::from_str::<Event>(text).unwrap().kind, "shop opened");
    }

    #[test]
    fn data_that_is_not_json_is_told_with_its_place() {
        let error = json("{\"a\": }").unwrap_err();
        assert!(error.to_string().contains("at: 1:7") && !error.hints().is_empty(), "{error}");
    }
}
