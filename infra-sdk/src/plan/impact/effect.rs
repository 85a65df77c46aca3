//! What a plan does to one exported value.

use std::collections::BTreeMap;

use serde::Serialize;

/// What happens to an exported value, from what is good to know to what breaks its readers. Never the value itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It was not there.
    Added,
    /// Whether it changes is known only after the apply.
    Unknown,
    /// It says the same, and is removed and made anew: for a while, or when that is done in the other order for good, it is
    /// not there.
    Recreated,
    /// It says something else.
    Changed,
    /// It becomes another kind of parameter, such as a secret one: a reader that asks for the old kind fails.
    Retyped,
    /// It goes to another path.
    Renamed {
        /// The new path.
        to: String,
    },
    /// It is gone.
    Removed,
}

impl Effect {
    /// The sign before it, as Terraform has them.
    pub fn sign(&self) -> &'static str {
        match self {
            Effect::Added => "+",
            Effect::Unknown => "?",
            Effect::Recreated | Effect::Renamed { .. } => "-/+",
            Effect::Changed | Effect::Retyped => "~",
            Effect::Removed => "-",
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Effect::Added => "added".into(),
            Effect::Unknown => "known only after the apply".into(),
            Effect::Recreated => "removed and made anew".into(),
            Effect::Changed => "changed".into(),
            Effect::Retyped => "becomes another kind of parameter".into(),
            Effect::Renamed { to } => format!("renamed to {to}"),
            Effect::Removed => "removed".into(),
        }
    }
}

/// The effects of a plan by path.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) by_path: BTreeMap<String, Touched>,
    /// Resources whose parameter has no name yet, or one that is not to be shown.
    pub(super) unnamed: Vec<String>,
}

/// What happens at one path.
pub(super) struct Touched {
    pub(super) effect: Effect,
    /// Resources and outputs that do it.
    pub(super) sources: Vec<String>,
    /// Whether it may also happen to what is below the path.
    pub(super) below: bool,
}

impl Effects {
    pub(super) fn add(&mut self, path: String, effect: Effect, below: bool, source: String) {
        let Some(touched) = self.by_path.get_mut(&path) else {
            self.by_path.insert(path, Touched { effect, sources: vec![source], below });
            return;
        };
        touched.below |= below;
        if !touched.sources.contains(&source) {
            touched.sources.push(source);
        }
        let goes = |effect: &Effect| matches!(effect, Effect::Removed | Effect::Renamed { .. });
        let comes = |effect: &Effect| *effect == Effect::Added;
        // Two resources hand a parameter over; nobody says which of them comes first.
        if goes(&touched.effect) && comes(&effect) || comes(&touched.effect) && goes(&effect) {
            touched.effect = Effect::Recreated;
        } else if effect > touched.effect {
            touched.effect = effect;
        }
    }
}
