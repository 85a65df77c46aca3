//! A whole plan, read in one pass.

use serde::Deserialize as DeriveDeserialize;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Result;
use crate::plan::json::{Members, Text, Value};
use crate::plan::model::format;
use crate::plan::model::resource::WireChange;
use crate::plan::model::{Check, OutputChange, ResourceChange};

/// What `terraform show -json PLAN` (or `tofu`) says, formats 0.1 to 1.x.
///
/// Strings and values are slices of the text it was parsed from. Everything is optional in the format, and absent is
/// not false: OpenTofu says nothing of `applyable` and `complete`. Keys that this version does not know are passed over.
///
/// ```
/// use infra_sdk::plan::Plan;
/// let json = br#"{"format_version": "1.2", "resource_changes": [
///     {"address": "aws_vpc.main", "type": "aws_vpc", "name": "main", "change": {"actions": ["create"]}}]}"#;
/// let plan = Plan::parse(json)?;
/// assert!(plan.resource_changes[0].change.actions.creates());
/// assert_eq!(plan.applyable, None);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// The version of the format, `1.2`.
    pub format_version: Text<'a>,
    /// The version of Terraform or OpenTofu.
    pub terraform_version: Option<Text<'a>>,
    /// When the plan was made, RFC 3339.
    pub timestamp: Option<Text<'a>>,
    /// The root module's input variables. The plan does not say which are sensitive: never show a value.
    pub variables: Vec<Variable<'a>>,
    /// Every instance, also those nothing is done to.
    pub resource_changes: Vec<ResourceChange<'a>>,
    /// What was found to be changed outside of Terraform.
    pub resource_drift: Vec<ResourceChange<'a>>,
    /// What could not be planned yet.
    pub deferred_changes: Vec<Deferred<'a>>,
    /// The outputs, also those that stay.
    pub output_changes: Vec<OutputChange<'a>>,
    /// The attributes whose drift may be a reason for a change. In any order.
    pub relevant_attributes: Vec<RelevantAttribute<'a>>,
    /// Conditions of the code about itself.
    pub checks: Vec<Check<'a>>,
    /// How many actions are invoked (since Terraform 1.14).
    pub action_invocations: usize,
    /// Whether planning ended with an error, so that this is only a part.
    pub errored: Option<bool>,
    /// Whether applying it makes the world as the code says; not after `-target` or with deferred changes.
    pub complete: Option<bool>,
    /// Whether there is something to apply, and it may be.
    pub applyable: Option<bool>,
    /// The code, as it was planned: not looked into unless asked for.
    pub configuration: Option<&'a RawValue>,
    /// The state before: not looked into unless asked for.
    pub prior_state: Option<&'a RawValue>,
    /// The state after, as far as it is known: not looked into unless asked for.
    pub planned_values: Option<&'a RawValue>,
}

impl<'a> Plan<'a> {
    /// Reads the JSON text of a plan: one pass over the bytes, which are all checked to be JSON.
    ///
    /// # Errors
    /// `Invalid` when this is not a plan: with line and column for broken JSON, and with what to do for a saved plan
    /// file, a state, the log of `terraform plan -json`, or a format newer than this version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let text = format::text(bytes)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Keys { length: text.len() }.deserialize(&mut json);
        let read = read.and_then(|read| json.end().map(|()| read));
        let Read { plan, is_state } = read.map_err(|error| format::refuse(text, &error))?;
        format::check(&plan, is_state)?;
        Ok(plan)
    }

    /// The entries with something to tell: an action, a move or an import.
    pub fn news(&self) -> impl Iterator<Item = &ResourceChange<'a>> {
        self.resource_changes.iter().filter(|change| change.is_news())
    }

    /// Whether the plan was made only to bring the state up to date.
    pub fn is_refresh_only(&self) -> bool {
        self.resource_changes.is_empty() && !self.resource_drift.is_empty()
    }
}

/// An input variable of the root module.
#[derive(Debug)]
pub struct Variable<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its value; `None` when it has none yet.
    pub value: Option<&'a RawValue>,
}

/// A change that could not be planned yet.
#[derive(Debug, DeriveDeserialize)]
pub struct Deferred<'a> {
    /// Why, in Terraform's words: `resource_config_unknown`.
    #[serde(borrow, default)]
    pub reason: Text<'a>,
    /// As far as it is known.
    #[serde(borrow)]
    pub resource_change: ResourceChange<'a>,
}

/// An attribute whose change outside may be a reason for this plan.
#[derive(Debug, DeriveDeserialize)]
pub struct RelevantAttribute<'a> {
    /// The resource, without the key of an instance where all are meant.
    #[serde(borrow, default)]
    pub resource: Text<'a>,
    /// The steps to the attribute, as JSON.
    #[serde(borrow)]
    pub attribute: Option<&'a RawValue>,
}

impl RelevantAttribute<'_> {
    /// The first step: the name of the attribute; `None` when all of the resource is meant.
    pub fn name(&self) -> Option<String> {
        let value = Value::of(self.attribute?).ok()?;
        value.as_array()?.first()?.as_str().map(str::to_owned)
    }
}

/// A plan as it stands in the text, and whether the text is rather that of a state.
struct Read<'a> {
    plan: Plan<'a>,
    is_state: bool,
}

#[derive(DeriveDeserialize)]
struct WireVariable<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Reads the keys of a plan whose text has so many bytes.
struct Keys {
    length: usize,
}

impl<'de> DeserializeSeed<'de> for Keys {
    type Value = Read<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys {
    type Value = Read<'de>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the object that `terraform show -json` writes")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
        let (mut plan, mut is_state, mut seen) = (Plan::default(), false, 0_u32);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            // A key that nobody reads may stand there as often as it likes.
            let bit = KEYS.iter().position(|known| *known == &*key).map_or(0, |index| 1 << index);
            if seen & bit != 0 {
                return Err(serde::de::Error::custom("a key stands there twice"));
            }
            seen |= bit;
            if &*key == "resource_changes" {
                // A resource takes about 2,500 bytes in all parts together. Room that is not used costs nothing; growing
                // would copy all entries again and again.
                plan.resource_changes = map.next_value_seed(Entries { room: self.length / 2048 })?;
            } else {
                read(&mut plan, &key, &mut map)?;
            }
            is_state |= matches!(&*key, "values" | "serial" | "lineage");
        }
        Ok(Read { plan, is_state })
    }
}

/// The keys that are read.
const KEYS: [&str; 17] = [
    "format_version",
    "terraform_version",
    "timestamp",
    "variables",
    "resource_changes",
    "resource_drift",
    "deferred_changes",
    "output_changes",
    "relevant_attributes",
    "checks",
    "action_invocations",
    "errored",
    "complete",
    "applyable",
    "configuration",
    "prior_state",
    "planned_values",
];

/// Reads the entries of `resource_changes` into a list with so much room.
struct Entries {
    room: usize,
}

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<ResourceChange<'de>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<ResourceChange<'de>>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a sequence")
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(self.room);
        while let Some(entry) = list.next_element()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn read<'de, A: MapAccess<'de>>(plan: &mut Plan<'de>, key: &str, map: &mut A) -> Result<(), A::Error> {
    // A list that is `null` is an empty one.
    fn list<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<T>, A::Error> {
        Ok(map.next_value::<Option<Vec<T>>>()?.unwrap_or_default())
    }
    match key {
        "format_version" => plan.format_version = map.next_value()?,
        "terraform_version" => plan.terraform_version = map.next_value()?,
        "timestamp" => plan.timestamp = map.next_value()?,
        "variables" => {
            let variables =
                map.next_value::<Option<Members<'_, WireVariable<'_>>>>()?.map(|members| members.0);
            let of = |(name, wire): (Text<'de>, WireVariable<'de>)| Variable { name, value: wire.value };
            plan.variables = variables.unwrap_or_default().into_iter().map(of).collect();
        }
        "resource_drift" => plan.resource_drift = list(map)?,
        "deferred_changes" => plan.deferred_changes = list(map)?,
        "output_changes" => {
            let outputs = map.next_value::<Option<Members<'_, WireChange<'_>>>>()?.map(|members| members.0);
            let of = |(name, wire): (Text<'de>, WireChange<'de>)| OutputChange {
                name,
                change: wire.into_change(),
            };
            plan.output_changes = outputs.unwrap_or_default().into_iter().map(of).collect();
        }
        "relevant_attributes" => plan.relevant_attributes = list(map)?,
        "checks" => plan.checks = list(map)?,
        "action_invocations" => plan.action_invocations = list::<IgnoredAny, A>(map)?.len(),
        "errored" => plan.errored = map.next_value()?,
        "complete" => plan.complete = map.next_value()?,
        "applyable" => plan.applyable = map.next_value()?,
        "configuration" => plan.configuration = map.next_value()?,
        "prior_state" => plan.prior_state = map.next_value()?,
        "planned_values" => plan.planned_values = map.next_value()?,
        _ => drop(map.next_value::<IgnoredAny>()?),
    }
    Ok(())
}
