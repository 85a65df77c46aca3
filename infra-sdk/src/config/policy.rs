//! `[policy]`: what a plan is judged by, and who may make it milder.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::check::Check;
use crate::config::layers::Setting;
use crate::config::values;
use crate::names::{nearest, quoted};
use crate::tree::{Node, Origin, Problem, ProblemKind, Value};

/// `[policy]`: what a plan is judged by.
///
/// The lists of all layers are joined: a repo adds to what the SDK and the organisation's file say, and takes nothing
/// away. In a repo that extends an organisation's file no level of its own makes milder what the file says of a rule in
/// `level`, a built-in rule of which it says nothing, or what its `files` find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The folder of Rego files; relative to the repo. Without it and `files`, only the built-in rules judge.
    #[serde(default, deserialize_with = "values::maybe_inside_repo")]
    pub dir: Option<String>,
    /// Rego files of the repo that `extends` pins, at the locked commit.
    #[serde(default, deserialize_with = "paths")]
    pub files: Vec<String>,
    /// Types, such as `aws_vpc` and `aws_kms_*`, that only a repo of the kind `infrastructure` may plan.
    #[serde(default, deserialize_with = "patterns")]
    pub owned: Vec<String>,
    /// Types and addresses, such as `aws_db_instance` and `aws_s3_bucket.state`, that are never destroyed or replaced.
    #[serde(default, deserialize_with = "patterns")]
    pub protected: Vec<String>,
    /// The tags that every AWS resource has that can have tags.
    #[serde(default, rename = "required-tags")]
    pub required_tags: Vec<String>,
    /// Addresses, such as `aws_s3_bucket.site`, that are public on purpose.
    #[serde(default, deserialize_with = "patterns")]
    pub public: Vec<String>,
    /// How bad the findings of a rule are, by its name: `ownership`, or `package.rule` of one's own.
    #[serde(default)]
    pub level: BTreeMap<String, RuleLevel>,
}

/// How bad the findings of a rule are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleLevel {
    /// They are left out.
    Off,
    /// Good to know.
    Note,
    /// To be looked at; stops nothing.
    Warning,
    /// Not to be applied.
    Error,
}

impl RuleLevel {
    const ALL: [(&str, RuleLevel); 4] = [
        ("off", RuleLevel::Off),
        ("note", RuleLevel::Note),
        ("warning", RuleLevel::Warning),
        ("error", RuleLevel::Error),
    ];

    /// The level as `infra.toml` writes it.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// The rules that are built in, by the names that `level` knows them by.
pub(crate) const RULES: [&str; 5] = ["ownership", "protected", "required-tags", "public", "admin"];

/// What belongs to the infrastructure repo before anybody says more: the network, keys, databases, and where images are.
pub(super) const OWNED: [&str; 19] = [
    "aws_vpc",
    "aws_vpc_*",
    "aws_default_vpc",
    "aws_subnet",
    "aws_default_subnet",
    "aws_internet_gateway",
    "aws_nat_gateway",
    "aws_route_table*",
    "aws_default_route_table",
    "aws_ec2_transit_gateway*",
    "aws_kms_key",
    "aws_kms_alias",
    "aws_kms_external_key",
    "aws_kms_replica_key",
    "aws_db_*",
    "aws_rds_*",
    "aws_ecr_repository*",
    "aws_ecr_registry_*",
    "aws_ecr_lifecycle_policy",
];

/// The lists that every layer adds to.
const JOINED: [&str; 5] = ["files", "owned", "protected", "required-tags", "public"];

/// Makes the lists of `layer`, which is about to be laid on `tree`, begin with what `tree` says already.
pub(super) fn join(tree: &Node, layer: &mut Node) {
    let Some(below) = tree.get("policy") else { return };
    let Value::Table(sections) = &mut layer.value else { return };
    let Some(Value::Table(above)) = sections.get_mut("policy").map(|node| &mut node.value) else { return };
    for key in JOINED {
        let (Some(under), Some(over)) = (below.get(key), above.get_mut(key)) else { continue };
        // What is no list is left for the reader to refuse.
        if let (Some(mut joined), Some(more)) = (items(under), items(over)) {
            joined.extend(more);
            over.value = Value::List(joined);
        }
    }
}

fn items(node: &Node) -> Option<Vec<Node>> {
    match &node.value {
        Value::List(items) => Some(items.clone()),
        Value::Loose(text) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(parts.map(|part| Node::loose(part, node.origin.clone())).collect())
        }
        _ => None,
    }
}

/// What makes a rule milder than the organisation's file, `extended`, has it: in `file`, or in a variable or flag.
///
/// Without a word there, a built-in rule is an error. What the organisation's own rules find is known only once they
/// were asked: see `Rules::raise_level`.
pub(super) fn weakened(extended: &Node, file: &Node, settings: &[Setting]) -> Vec<Problem> {
    let theirs = levels_in(extended);
    let fold = |rule: &str| rule.to_ascii_lowercase().replace('_', "-");
    let floor = |rule: &str| {
        // A variable names the rule in its own spelling.
        let said =
            theirs.iter().filter(|(known, _)| fold(known) == fold(rule)).map(|(_, level)| *level).max();
        said.or_else(|| RULES.contains(&rule).then_some(RuleLevel::Error))
    };
    let mut said: Vec<(String, Node)> = Vec::new();
    said.extend(level_nodes(file).map(|(rule, node)| (rule.clone(), node.clone())));
    for setting in settings {
        if let [policy, key, rule] = setting.keys.as_slice()
            && policy.eq_ignore_ascii_case("policy")
            && key.eq_ignore_ascii_case("level")
        {
            said.push((fold(rule), setting.value.clone()));
        }
    }
    let mut problems = Vec::new();
    for (rule, node) in said {
        let (Some(floor), Some(level)) = (floor(&rule), level(&node)) else { continue };
        if level < floor {
            let kind = ProblemKind::Refused(format!(
                "the organisation has `{}`; a repo can make a rule stricter and not milder",
                floor.as_str()
            ));
            problems.push(Problem { origin: Some(node.origin.clone()), path: path(&rule), kind });
        }
    }
    problems
}

/// The levels that a file of settings has in `[policy.level]`, by rule.
pub(crate) fn levels_in(file: &Node) -> BTreeMap<String, RuleLevel> {
    level_nodes(file).filter_map(|(rule, node)| Some((rule.clone(), level(node)?))).collect()
}

fn level_nodes(file: &Node) -> impl Iterator<Item = (&String, &Node)> {
    file.get("policy").and_then(|policy| policy.get("level")?.entries()).into_iter().flatten()
}

fn level(node: &Node) -> Option<RuleLevel> {
    let (Value::Text(text) | Value::Loose(text)) = &node.value else { return None };
    RuleLevel::ALL.into_iter().find(|(name, _)| name == text).map(|(_, level)| level)
}

fn path(rule: &str) -> String {
    crate::tree::child("policy.level", rule)
}

/// Refuses a level for a rule that is not there: it would be taken for a switch that was turned.
pub(super) fn check(policy: &Policy, check: &mut Check<'_>) {
    for rule in policy.level.keys().filter(|rule| !rule.contains('.') && !RULES.contains(&rule.as_str())) {
        let known = RULES.into_iter();
        let message = match nearest(rule, known.clone()) {
            Some(near) => format!("there is no rule {}; did you mean `{near}`?", quoted(rule)),
            None => format!("there is no rule {}; rules of your own are named `package.rule`", quoted(rule)),
        };
        check.refuse(&["policy", "level", rule], message);
    }
}

/// The list that the SDK begins with, in its own layer.
pub(super) fn defaults(origin: &Origin) -> Node {
    let owned = OWNED.map(|pattern| Node::text(pattern, origin.clone())).to_vec();
    Node::table([("owned", Node::new(Value::List(owned), origin.clone()))], origin.clone())
}

/// Reads patterns: names with `*` for any text.
fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let patterns = Vec::<String>::deserialize(deserializer)?;
    match patterns.iter().find(|pattern| pattern.trim().is_empty() || pattern.len() > 512) {
        Some(pattern) => Err(serde::de::Error::custom(format!(
            "{} is neither a type such as `aws_kms_*` nor an address such as `aws_s3_bucket.site`",
            quoted(pattern)
        ))),
        None => Ok(patterns),
    }
}

/// Reads paths of another repo, as strict as those of this one.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let paths = Vec::<String>::deserialize(deserializer)?;
    paths.iter().try_for_each(|path| values::relative(path)).map_err(serde::de::Error::custom)?;
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, document};

    const PROJECT: &str = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";

    fn config(text: &str) -> crate::error::Result<Config> {
        Config::of_text(&format!("{PROJECT}{text}"), "/srv", "local")
    }

    #[test]
    fn a_list_adds_to_what_the_sdk_says_and_its_origin_is_shown() {
        let config = config("[policy]\nowned = [\"aws_sqs_*\"]\nrequired-tags = [\"team\"]\n").unwrap();
        let policy = &config.settings().policy;
        assert!(policy.owned.starts_with(&OWNED.map(str::to_owned)), "{policy:?}");
        assert_eq!(policy.owned.last().map(String::as_str), Some("aws_sqs_*"));
        assert!(config.show().to_string().contains("policy.required-tags"), "{}", config.show());
        assert_eq!(Config::of_text(PROJECT, "/srv", "local").unwrap().settings().policy.owned, OWNED);
    }

    #[test]
    fn a_repo_cannot_empty_a_list_nor_make_a_rule_milder_than_its_organisation_has_it() {
        let parse = |text: &str| document::parse(text, "file").unwrap();
        let org = parse("[policy]\nprotected = [\"aws_s3_bucket\"]\nlevel = { public = \"warning\" }\n");
        let mut repo = parse("[policy]\nprotected = []\n");
        join(&org, &mut repo);
        let list = repo.get("policy").and_then(|policy| policy.get("protected")).unwrap();
        assert_eq!(items(list).unwrap().len(), 1);

        let milder = |text: &str| weakened(&org, &parse(text), &[]).len();
        assert_eq!(
            milder("[policy.level]\npublic = \"off\"\nadmin = \"off\"\nrequired-tags = \"note\"\n"),
            3
        );
        assert_eq!(milder("[policy.level]\npublic = \"warning\"\nadmin = \"error\"\n\"a.b\" = \"off\"\n"), 0);
        assert_eq!(milder("[policy.level]\npublic = \"error\"\n"), 0);
        assert_eq!(milder("[policy.level]\nownership = \"warning\"\nprotected = \"note\"\n"), 2);
        let variable = Setting {
            keys: ["POLICY", "LEVEL", "OWNERSHIP"].map(str::to_owned).to_vec(),
            value: Node::loose("off", Origin::named("INFRA_CONFIG__POLICY__LEVEL__OWNERSHIP")),
        };
        let problems = weakened(&org, &parse(""), &[variable]);
        let org_rule = parse("[policy.level]\n\"acme.tags.deny_keys\" = \"warning\"\n");
        let variable = |level: &str| Setting {
            keys: ["POLICY", "LEVEL", "ACME.TAGS.DENY_KEYS"].map(str::to_owned).to_vec(),
            value: Node::loose(level, Origin::named("flag")),
        };
        assert_eq!(weakened(&org_rule, &parse(""), &[variable("note"), variable("error")]).len(), 1);
        assert!(
            problems[0].to_string().starts_with("INFRA_CONFIG__POLICY__LEVEL__OWNERSHIP: "),
            "{problems:?}"
        );
    }

    #[test]
    fn unknown_keys_rules_levels_and_paths_out_of_the_repo_are_refused_with_their_place() {
        let report = |text: &str| config(text).unwrap_err().report().to_string();
        assert!(report("[policy]\nown = []\n").contains("infra.toml:6:1: `policy.own` is not a known key"));
        let unknown = report("[policy.level]\nownerchip = \"off\"\n");
        assert!(unknown.contains("did you mean `ownership`?"), "{unknown}");
        assert!(config("[policy.level]\n\"acme.tags.deny\" = \"note\"\n").is_ok());
        for bad in
            ["dir = \"../x\"", "files = [\"/etc/x\"]", "owned = [\"\"]", "level = { public = \"none\" }"]
        {
            assert!(report(&format!("[policy]\n{bad}\n")).contains("infra.toml:6:"), "{bad}");
        }
    }
}
