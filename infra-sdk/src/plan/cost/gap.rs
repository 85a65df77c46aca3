//! What an estimate leaves out, and why: said, never guessed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::veil::Veil;

/// How many addresses stand for all of a gap.
const SHOWN: usize = 5;

/// One reason why something is not counted, and the resources it holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The resource type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which part of its price; empty for all of it.
    pub component: String,
    /// Why: of the plan's values at most a region, and never a secret.
    pub reason: String,
    /// How many resources.
    pub count: usize,
    /// The first five of them.
    pub addresses: Vec<String>,
}

/// Gaps of one sort, in the order of type and component; each reason stands there once, however many resources it holds
/// for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Gaps {
    gaps: Vec<Gap>,
}

impl Gaps {
    /// The gaps.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Why one part of a price is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The table has no price for it.
    NotPriced(String),
    /// An attribute becomes known only after the apply, or is secret.
    Unknown(String),
    /// Somebody has to say how much is used.
    NeedsUsage(String),
}

/// Gathers gaps while a plan is walked, one map for each sort.
#[derive(Default)]
pub(super) struct Gathered([BTreeMap<Of, Resources>; 3]);

/// Type, component and reason.
type Of = (String, String, String);

/// How many, and the first of them.
type Resources = (usize, Vec<String>);

impl Gathered {
    pub(super) fn add(&mut self, kind: &str, component: &str, why: Why, address: &str) {
        let (sort, reason) = match why {
            Why::NotPriced(reason) => (0, reason),
            Why::Unknown(reason) => (1, reason),
            Why::NeedsUsage(reason) => (2, reason),
        };
        let (count, shown) = self.0[sort].entry((kind.to_owned(), component.to_owned(), reason)).or_default();
        *count += 1;
        if shown.len() < SHOWN {
            shown.push(address.to_owned());
        }
    }

    /// Not priced, unknown, in need of an assumption; without a secret in any text.
    pub(super) fn into_gaps(self, veil: &Veil) -> [Gaps; 3] {
        let mut sorts = self.0.map(|gathered| gathered.into_iter().collect::<Vec<_>>());
        let mut texts = Vec::new();
        for ((kind, component, reason), (_, addresses)) in sorts.iter_mut().flatten() {
            texts.extend([kind, component, reason]);
            texts.extend(addresses);
        }
        veil.cover(&mut texts);
        sorts.map(|gathered| {
            // What differed in a secret alone is one gap now.
            let mut gaps: BTreeMap<Of, Resources> = BTreeMap::new();
            for (of, (count, addresses)) in gathered {
                let (all, shown) = gaps.entry(of).or_default();
                *all += count;
                let room = SHOWN.saturating_sub(shown.len());
                shown.extend(addresses.into_iter().take(room));
            }
            let gap = |((kind, component, reason), (count, addresses)): (Of, Resources)| Gap {
                kind,
                component,
                reason,
                count,
                addresses,
            };
            Gaps { gaps: gaps.into_iter().map(gap).collect() }
        })
    }
}
