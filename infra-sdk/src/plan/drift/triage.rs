//! Sorting drift by type and attribute, and finding what was decided about it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::plan::diff::{self, AttributeChange, Difference};
use crate::plan::drift::noise;
use crate::plan::drift::{Answers, DriftGroup, Kind, Noise};
use crate::plan::json::Value;
use crate::plan::model::{Mode, Plan, ResourceChange};
use crate::plan::veil::Veil;
use crate::time::Timestamp;

/// At least this many of a type, and nearly all of them, drift alike after an upgrade of the provider.
const MANY: usize = 5;

/// The drift of one plan, without a secret of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The groups: those somebody has to decide on first.
    pub groups: Vec<DriftGroup>,
    /// How many resources differ from what Terraform left.
    pub resources: usize,
}

impl Drift {
    /// How many groups somebody has to decide on.
    pub fn open(&self) -> usize {
        self.groups.iter().filter(|group| group.open).count()
    }
}

/// Sorts the drift that a plan tells of.
///
/// Somebody has to decide on a group unless it is noise or an answer holds `now`. An answer that is over opens it again.
///
/// # Errors
/// As [`diff::resource`].
pub fn triage(plan: &Plan<'_>, answers: &Answers, now: Timestamp) -> Result<Drift> {
    let relevant: HashSet<&str> = plan.relevant_drift()?.iter().map(|drift| &*drift.address).collect();
    // A plan made only to look lists no resource but those that drift.
    let count = |resources: &'_ [ResourceChange<'_>], kind: &str| {
        resources.iter().filter(|resource| *resource.kind == *kind).count()
    };
    let mut of_type: HashMap<String, usize> = HashMap::new();
    let mut groups: BTreeMap<(String, Option<String>, Kind, Option<Noise>), Group<'_, '_>> = BTreeMap::new();
    let mut resources = HashSet::new();
    for drift in plan.resource_drift.iter().filter(|drift| drift.mode == Mode::Managed) {
        for Drifted { attribute, what, noise, values } in changes(drift)? {
            resources.insert(&*drift.address);
            let key = (drift.kind.to_string(), attribute, what, noise);
            let group = groups.entry(key).or_default();
            group.resources.push(drift);
            group.values = group.values.take().or(values);
            group.relevant |= relevant.contains(&*drift.address);
        }
    }
    let mut found = Vec::new();
    for ((kind, attribute, what, noise), group) in groups {
        // Those with different answers are different groups.
        let mut by_answer: Vec<(Option<&_>, Vec<&str>)> = Vec::new();
        for drift in group.resources {
            let answer = answers.find(&drift.address, &drift.kind, attribute.as_deref());
            match by_answer.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, addresses)) => addresses.push(&drift.address),
                None => by_answer.push((answer, vec![&drift.address])),
            }
        }
        for (nth, (answer, addresses)) in by_answer.into_iter().enumerate() {
            let all = *of_type.entry(kind.clone()).or_insert_with(|| {
                count(&plan.resource_changes, &kind).max(count(&plan.resource_drift, &kind))
            });
            let everywhere = addresses.len() >= MANY && addresses.len() * 10 >= all * 8;
            let noise = noise.or((everywhere && what == Kind::Changed).then_some(Noise::Everywhere));
            let holds = answer.is_some_and(|answer| !answer.until.is_past(now));
            let expired = answer.is_some() && !holds;
            found.push(DriftGroup {
                kind: kind.clone(),
                attribute: attribute.clone(),
                what,
                addresses: addresses.into_iter().map(str::to_owned).collect(),
                // They are of the first resource, which stands in the first of these groups.
                values: group.values.clone().filter(|_| nth == 0),
                noise,
                relevant: group.relevant,
                answer: answer.cloned(),
                // What all have at once may still matter: it is told apart, and still asked about.
                open: expired || (!holds && matches!(noise, None | Some(Noise::Everywhere))),
            });
        }
    }
    // All at once: each look at a text asks every secret whether it can stand there.
    let mut texts = Vec::new();
    for group in &mut found {
        texts.push(&mut group.kind);
        texts.extend(&mut group.attribute);
        texts.extend(&mut group.addresses);
        texts.extend(group.values.iter_mut().flat_map(|(before, after)| [before, after]));
    }
    Veil::of(plan)?.cover(&mut texts);
    found.sort_by(|a, b| {
        b.open
            .cmp(&a.open)
            .then_with(|| a.what.cmp(&b.what))
            .then_with(|| (&a.kind, &a.attribute).cmp(&(&b.kind, &b.attribute)))
    });
    Ok(Drift { groups: found, resources: resources.len() })
}

#[derive(Default)]
struct Group<'p, 'a> {
    resources: Vec<&'p ResourceChange<'a>>,
    values: Option<(String, String)>,
    relevant: bool,
}

/// What happened to one attribute, or to a whole resource.
struct Drifted {
    attribute: Option<String>,
    what: Kind,
    noise: Option<Noise>,
    values: Option<(String, String)>,
}

/// What happened to one resource, attribute by attribute.
fn changes(drift: &ResourceChange<'_>) -> Result<Vec<Drifted>> {
    let actions = &drift.change.actions;
    let whole = |what| Ok(vec![Drifted { attribute: None, what, noise: None, values: None }]);
    if actions.deletes() {
        return whole(Kind::Gone);
    }
    if actions.creates() {
        return whole(Kind::Came);
    }
    let drifted = |change: &AttributeChange<'_>| Drifted {
        attribute: Some(change.path.clone()),
        what: Kind::Changed,
        noise: noise::of(change),
        values: values(&change.difference),
    };
    Ok(diff::resource(drift)?.attributes.iter().map(drifted).collect())
}

/// From what to what, where that is one value each and not marked as sensitive.
fn values(difference: &Difference<'_>) -> Option<(String, String)> {
    let text = |value: &Value<'_>| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match difference {
        Difference::Added(after) => Some(("nothing".into(), text(after))),
        Difference::Removed(before) => Some((text(before), "nothing".into())),
        Difference::Changed { before, after } => Some((text(before), text(after))),
        _ => None,
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.resources, self.open()) {
            (0, _) => return f.write_str("no drift"),
            (1, 0) => f.write_str("1 resource differs; nothing is open")?,
            (resources, 0) => write!(f, "{resources} resources differ; nothing is open")?,
            (1, open) => write!(f, "1 resource differs; {open} to decide")?,
            (resources, open) => write!(f, "{resources} resources differ; {open} to decide")?,
        }
        self.groups.iter().try_for_each(|group| write!(f, "\n{group}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(entries: &str, answers: &str) -> String {
        let json =
            format!(r#"{{"format_version":"1.2","resource_changes":[],"resource_drift":[{entries}]}}"#);
        let answers = Answers::parse(answers, "drift.toml").unwrap();
        let now = "2027-01-15T00:00:00Z".parse().unwrap();
        triage(&Plan::parse(json.as_bytes()).unwrap(), &answers, now).unwrap().to_string()
    }

    fn entry(address: &str, before: &str, after: &str) -> String {
        let actions = if after == "null" { "delete" } else { "update" };
        format!(
            r#"{{"address":"{address}","mode":"managed","type":"a","name":"n","change":{{"actions":["{actions}"],"before":{before},"after":{after}}}}}"#
        )
    }

    #[test]
    fn drift_is_grouped_and_noise_told_apart() {
        let entries = [
            entry("a.one", r#"{"n":1,"t":null}"#, r#"{"n":2,"t":""}"#),
            entry("a.two", r#"{"n":1}"#, r#"{"n":3}"#),
            entry("a.gone", "{}", "null"),
        ];
        let text = drift(&entries.join(","), "");
        assert_eq!(
            text,
            "3 resources differ; 2 to decide\n- a is gone: a.gone\n~ a.n: a.one, a.two, 1 → 2 on the first\n  a.t: a.one, nothing →  (read back as empty)"
        );
        assert_eq!(drift("", ""), "no drift");
    }

    #[test]
    fn an_answer_closes_a_group_until_its_day() {
        let entries =
            [entry("a.one", r#"{"n":1}"#, r#"{"n":2}"#), entry("a.two", r#"{"n":1}"#, r#"{"n":2}"#)];
        let answer = |what: &str, until: &str| {
            format!(
                "[[answer]]\nwhat = \"{what}\"\ndecision = \"ignore\"\nuntil = \"{until}\"\nreason = \"r\"\n"
            )
        };
        let text = drift(&entries.join(","), &answer("a.n", "2027-01-15"));
        assert!(
            text.starts_with("2 resources differ; nothing is open\n  a.n: a.one, a.two, 1 → 2 on the first\n    ignored until"),
            "{text}"
        );
        let text = drift(&entries.join(","), &answer("a.n", "2027-01-14"));
        assert!(text.contains("1 to decide\n~ a.n") && text.contains("which is over"), "{text}");
        let text = drift(&entries.join(","), &answer("a.one", "2027-12-31"));
        assert!(text.contains("1 to decide\n~ a.n: a.two\n  a.n: a.one, 1 → 2\n"), "{text}");
    }

    #[test]
    fn a_secret_is_hidden_in_every_name() {
        let entries = r#"{"address":"a.n[\"hunter2\"]","mode":"managed","type":"hunter2","name":"n","change":{"actions":["update"],
                "before":{"t":{"hunter2":"a"}},"after":{"t":{"hunter2":"b"}}}},
            {"address":"b.n","mode":"managed","type":"b","name":"n","change":{"actions":["update"],
                "before":{"p":"hunter2","s":"1"},"after":{"p":"hunter2","s":"2"},"before_sensitive":{"p":true},"after_sensitive":{"p":true}}}"#;
        let text = drift(entries, "");
        assert_eq!(
            text,
            "2 resources differ; 2 to decide\n~ ***.t.***: a.n[\"***\"], a → b\n~ b.s: b.n, 1 → 2"
        );
    }

    #[test]
    fn what_all_of_a_type_have_at_once_is_told_apart_and_still_asked() {
        let entries: Vec<String> =
            (0..6).map(|n| entry(&format!("a.n[{n}]"), r#"{"v":"1"}"#, r#"{"v":"2"}"#)).collect();
        let text = drift(&entries.join(","), "");
        assert!(
            text.contains("1 to decide\n~ a.v: a.n[0], a.n[1], a.n[2] and 3 more, 1 → 2 on the first (on all of its type"),
            "{text}"
        );
    }
}
