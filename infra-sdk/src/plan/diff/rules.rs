//! What a walk is told from outside: what forces a replacement, which unknown values count, which texts are secret.

use crate::mask::Masks;
use crate::plan::diff::{Difference, LineChange, SensitiveChange};
use crate::plan::json::{Mark, Value};
use crate::secret::SecretValue;

/// A step of a path: the key of a member, or any item of a list.
pub(super) type Step = Option<String>;

/// Attributes that providers make anew with every update, whatever it is; nobody reviews them.
const NOISE: [&str; 22] = [
    "arn",
    "arn_suffix",
    "etag",
    "fingerprint",
    "generation",
    "id",
    "last_modified",
    "last_modified_date",
    "last_updated",
    "last_updated_time",
    "latest_version",
    "modified_on",
    "output",
    "qualified_arn",
    "qualified_invoke_arn",
    "revision",
    "self_link",
    "tags_all",
    "unique_id",
    "updated_at",
    "version",
    "version_id",
];

/// Which values that become unknown are told one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unknowns {
    /// All of them.
    #[default]
    All,
    /// All but those that change with every update: a plan does not say which attributes the code sets.
    Update,
    /// Those that force a replacement or that others depend on: after a replacement nearly everything is new.
    Replacement,
    /// None: of something new nothing was known.
    Creation,
}

/// What holds for one resource.
#[derive(Default)]
pub(super) struct Rules {
    /// The paths that force a replacement.
    pub(super) forcing: Vec<Vec<Step>>,
    /// Which unknown values count.
    pub(super) unknowns: Unknowns,
    /// The attributes that others depend on.
    pub(super) relevant: Vec<String>,
    /// The attributes that are known to be sets.
    pub(super) sets: &'static [&'static str],
    /// The secrets of the resource.
    pub(super) masks: Option<Masks>,
}

impl Rules {
    /// Notes paths as a plan has them. A number stands for any item: inside a set it points into the order of the file,
    /// which has no meaning.
    pub(super) fn force(&mut self, paths: &[Vec<Value<'_>>]) {
        let step = |step: &Value<'_>| step.as_str().map(str::to_owned);
        self.forcing = paths.iter().map(|path| path.iter().map(step).collect()).collect();
    }

    /// Whether what differs at `path` forces a replacement: it is such a path, lies below one, or holds one.
    pub(super) fn forces(&self, path: &[Step]) -> bool {
        self.forcing.iter().any(|forcing| forcing.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Whether it is worth telling that what stands at `path` becomes unknown.
    pub(super) fn tells_unknown(&self, path: &[Step]) -> bool {
        let name = path.first().and_then(Option::as_deref).unwrap_or_default();
        match self.unknowns {
            Unknowns::All => true,
            Unknowns::Creation => false,
            _ if self.forces(path) || self.relevant.iter().any(|relevant| relevant == name) => true,
            Unknowns::Update => !NOISE.contains(&name),
            Unknowns::Replacement => false,
        }
    }

    /// Learns the secrets in `value`, which may stand unmarked on the other side or in another attribute.
    pub(super) fn learn(&mut self, value: &Value<'_>, mark: Mark<'_>) {
        if !mark.is_any() {
            return;
        }
        let whole = mark.is_whole() || !mark.fits(value);
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.learn(item, if whole { Mark::WHOLE } else { mark.index(index) });
                }
            }
            Value::Object(object) => {
                for (key, value) in object.iter() {
                    self.learn(value, if whole { Mark::WHOLE } else { mark.key(key) });
                }
            }
            Value::String(text) => self.hide(text),
            Value::Number(number) => self.hide(number.as_str()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn hide(&mut self, text: &str) {
        self.masks.get_or_insert_default().add(&SecretValue::new(text));
    }

    /// A path without a secret in it: keys and names are values, too.
    pub(super) fn path(&self, path: &str) -> String {
        self.masks.as_ref().map_or_else(|| path.to_owned(), |masks| masks.apply(path).into_owned())
    }

    /// The difference, told without its values where a secret is among them.
    pub(super) fn veiled<'a>(&self, difference: Difference<'a>) -> Difference<'a> {
        let shows = |value: &Value<'_>| self.shows(value);
        let (is_secret, change) = match &difference {
            Difference::Added(value) => (shows(value), SensitiveChange::Added),
            Difference::Removed(value) => (shows(value), SensitiveChange::Removed),
            Difference::Unknown { before } => (shows(before), SensitiveChange::Unknown),
            Difference::Changed { before, after } => {
                (shows(before) || shows(after), SensitiveChange::Changed)
            }
            Difference::Lines(lines) => (self.shows_lines(lines), SensitiveChange::Changed),
            Difference::Sensitive(_) | Difference::Reordered | Difference::Reformatted => return difference,
        };
        if is_secret { Difference::Sensitive(change) } else { difference }
    }

    fn shows(&self, value: &Value<'_>) -> bool {
        let Some(masks) = &self.masks else { return false };
        let hides = |text: &str| matches!(masks.apply(text), std::borrow::Cow::Owned(_));
        value.as_str().is_some_and(hides) || hides(&value.to_string())
    }

    fn shows_lines(&self, lines: &[LineChange]) -> bool {
        let mut text = String::new();
        for line in lines {
            if let LineChange::Same(line) | LineChange::Added(line) | LineChange::Removed(line) = line {
                text.push_str(line);
                text.push('\n');
            }
        }
        self.shows(&Value::String(text.into()))
    }
}
