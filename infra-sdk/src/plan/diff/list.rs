//! Lists: which item after is which item before. A plan does not tell lists from sets.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::plan::diff::Difference;
use crate::plan::diff::identity::{Identity, likeness, members};
use crate::plan::diff::place::Place;
use crate::plan::diff::sequence::{common, gaps};
use crate::plan::diff::walk::{Node, Walk};
use crate::plan::json::Value;
use crate::plan::meaning::as_list;

/// Two objects with fewer equal members are two, not one that changed.
const ALIKE: f64 = 0.5;

/// The position of one item before and after; one of them is missing for what goes or comes.
type Pair = [Option<usize>; 2];

impl<'a> Walk<'_, 'a> {
    /// Goes through a list that is there on both sides.
    pub(super) fn list(&mut self, list: Node<'_, 'a>, place: Place) {
        let side = |value: Option<_>| value.map_or(&[][..], as_list);
        let (before, after) = (side(list.before), side(list.after));
        let old: Vec<String> = before.iter().map(|item| place.key(item)).collect();
        // What is unknown is equal to nothing.
        let is_known = |index: usize| !list.unknown.index(index).is_any();
        let new: Vec<Option<String>> =
            after.iter().enumerate().map(|(at, item)| is_known(at).then(|| place.key(item))).collect();

        let equal = equal_items(&old, &new);
        if !place.is_set() && !equal.is_sorted_by_key(|(row, _)| *row) && tells_order(&equal, before, after) {
            self.tell(Difference::Reordered);
        }
        if equal.len() == before.len() && equal.len() == after.len() {
            self.marked(list, &equal, place);
            return;
        }
        let is_object = |(index, item): (usize, &Value<'_>)| {
            item.as_object().is_some() || (item.is_null() && list.unknown.index(index).is_any())
        };
        let objects =
            before.iter().all(|item| item.as_object().is_some()) && after.iter().enumerate().all(is_object);
        if objects {
            self.marked(list, &equal, place);
            self.objects(list, &equal, place);
        } else if place.is_set() || is_like_set(list, before, after) {
            self.marked(list, &equal, place);
            self.set(list, &equal, place);
        } else {
            self.sequence(list, &old, &new, place);
        }
    }

    /// Goes through items that are equal, for their marks may differ.
    fn marked(&mut self, list: Node<'_, 'a>, equal: &[(usize, usize)], place: Place) {
        for &(row, column) in equal {
            if list.item(Some(row), Some(column)).is_marked() {
                self.item(list, [Some(row), Some(column)], None, place.item());
            }
        }
    }

    /// What goes and comes in a set of plain values.
    fn set(&mut self, list: Node<'_, 'a>, equal: &[(usize, usize)], place: Place) {
        for pair in left(list, equal) {
            self.item(list, pair, Some("[]"), place.item());
        }
    }

    /// What changes in a list whose order counts. Between two items that stay, what goes and what comes is taken for
    /// the same item, one after the other.
    fn sequence(&mut self, list: Node<'_, 'a>, old: &[String], new: &[Option<String>], place: Place) {
        let (rows, columns) = ids(old, new);
        let Some(pairs) = common(&rows, &columns, &mut self.budget) else {
            let equal = equal_items(old, new);
            self.marked(list, &equal, place);
            return self.set(list, &equal, place);
        };
        for gap in gaps(&pairs, old.len(), new.len()) {
            let length = gap.before.len().max(gap.after.len());
            for step in 0..length {
                let at = |range: &std::ops::Range<usize>| range.clone().nth(step);
                self.item(list, [at(&gap.before), at(&gap.after)], None, place.item());
            }
            self.marked(list, gap.next.as_slice(), place);
        }
    }

    /// What changes in a list of objects: paired by what names them, then by how alike they are.
    fn objects(&mut self, list: Node<'_, 'a>, equal: &[(usize, usize)], place: Place) {
        let side = |value: Option<_>| value.map_or(&[][..], as_list);
        let (before, after) = (side(list.before), side(list.after));
        let old: Vec<_> =
            before.iter().enumerate().map(|(at, item)| (item, [list.was.index(at); 2])).collect();
        let marks = |at| [list.becomes.index(at), list.unknown.index(at)];
        let new: Vec<_> = after.iter().enumerate().map(|(at, item)| (item, marks(at))).collect();
        let identity = Identity::of(&old, &new);

        let mut pairs = left(list, equal);
        // A block that is there once is the same block.
        let lone = before.len() == 1 && after.len() == 1;
        if lone {
            pairs = vec![[Some(0), Some(0)]];
        } else if let Some(identity) = identity {
            pairs = join(&pairs, |row| identity.key(&before[row]), |column| identity.key(&after[column]));
        } else {
            pairs = self.alike(pairs, before, after);
        }
        for [row, column] in pairs {
            let name = |item: Option<&Value<'_>>| identity.and_then(|identity| identity.label(item?));
            let (was, becomes) =
                (name(row.map(|row| &before[row])), name(column.map(|column| &after[column])));
            let label = match (row, column) {
                (Some(_), Some(_)) if was != becomes => None,
                (Some(_), None) => was,
                _ => becomes,
            };
            self.item(list, [row, column], label.as_deref(), place.item());
        }
    }

    /// Pairs what has most in common, as far as the time for it reaches.
    fn alike(&mut self, pairs: Vec<Pair>, before: &[Value<'_>], after: &[Value<'_>]) -> Vec<Pair> {
        let rows: Vec<usize> = pairs.iter().filter_map(|pair| pair[0]).collect();
        let columns: Vec<usize> = pairs.iter().filter_map(|pair| pair[1]).collect();
        let old: Vec<_> = rows.iter().map(|row| members(&before[*row])).collect();
        let new: Vec<_> = columns.iter().map(|column| members(&after[*column])).collect();
        let (wide, long) = (old.iter().map(Vec::len).sum::<usize>(), new.iter().map(Vec::len).sum::<usize>());
        let steps = wide.saturating_mul(new.len()).saturating_add(long.saturating_mul(old.len()));
        if steps > self.budget {
            return pairs;
        }
        self.budget -= steps;

        let mut scores = Vec::new();
        for (row, one) in rows.iter().zip(&old) {
            for (column, other) in columns.iter().zip(&new) {
                let score = likeness(one, other);
                if score >= ALIKE {
                    scores.push((score, row.abs_diff(*column), *row, *column));
                }
            }
        }
        // The most alike first; of those, the ones that stand next to each other.
        scores.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
        let (mut partner, mut taken) = (HashMap::new(), HashSet::new());
        for (_, _, row, column) in scores {
            if !partner.contains_key(&row) && taken.insert(column) {
                partner.insert(row, column);
            }
        }
        let of_row = |row| Some(partner.get(&row).copied().unwrap_or(usize::MAX - row));
        join(&pairs, of_row, |column| taken.contains(&column).then_some(column))
    }
}

/// Joins items that go with items that come where their keys are equal. What has no partner keeps its place.
fn join<K: std::hash::Hash + Eq>(
    pairs: &[Pair],
    old: impl Fn(usize) -> Option<K>,
    new: impl Fn(usize) -> Option<K>,
) -> Vec<Pair> {
    let come = pairs.iter().filter_map(|pair| pair[1]);
    let mut columns: HashMap<K, usize> = come.filter_map(|column| Some((new(column)?, column))).collect();
    let mut joined = Vec::new();
    let mut taken = HashSet::new();
    for row in pairs.iter().filter_map(|pair| pair[0]) {
        let column = old(row).and_then(|key| columns.remove(&key));
        taken.extend(column);
        joined.push([Some(row), column]);
    }
    let alone = pairs.iter().filter_map(|pair| pair[1]).filter(|column| !taken.contains(column));
    joined.extend(alone.map(|column| [None, Some(column)]));
    joined
}

/// The items that are equal to none: those that go, then those that come.
fn left(list: Node<'_, '_>, equal: &[(usize, usize)]) -> Vec<Pair> {
    let length = |value: Option<&Value<'_>>| value.map_or(0, |value| as_list(value).len());
    let rows: HashSet<usize> = equal.iter().map(|pair| pair.0).collect();
    let columns: HashSet<usize> = equal.iter().map(|pair| pair.1).collect();
    let go = (0..length(list.before)).filter(|row| !rows.contains(row)).map(|row| [Some(row), None]);
    let come = (0..length(list.after)).filter(|column| !columns.contains(column));
    go.chain(come.map(|column| [None, Some(column)])).collect()
}

/// Pairs equal items whatever their order, each once, in the order after.
fn equal_items(old: &[String], new: &[Option<String>]) -> Vec<(usize, usize)> {
    let mut rows: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (row, key) in old.iter().enumerate() {
        rows.entry(key).or_default().push_back(row);
    }
    let pair =
        |(column, key): (usize, &Option<String>)| Some((rows.get_mut(key.as_deref()?)?.pop_front()?, column));
    new.iter().enumerate().filter_map(pair).collect()
}

/// Whether another order is told on its own. Where plain values go or come as well, the order is a part of that.
fn tells_order(equal: &[(usize, usize)], before: &[Value<'_>], after: &[Value<'_>]) -> bool {
    (equal.len() == before.len() && equal.len() == after.len())
        || before.iter().chain(after).all(|item| item.as_object().is_some())
}

/// Whether both are written as Terraform writes a set. One value against another is rather one that changed.
fn is_like_set(list: Node<'_, '_>, before: &[Value<'_>], after: &[Value<'_>]) -> bool {
    before.len().max(after.len()) > 1 && !list.is_marked() && is_sorted(before) && is_sorted(after)
}

/// Texts or numbers in order, none of them twice.
fn is_sorted(list: &[Value<'_>]) -> bool {
    let number = |value: &Value<'_>| match value {
        Value::Number(number) => number.to_f64(),
        _ => None,
    };
    let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let numbers: Option<Vec<f64>> = list.iter().map(number).collect();
    texts.is_some_and(|texts| texts.is_sorted_by(|a, b| a < b))
        || numbers.is_some_and(|numbers| numbers.is_sorted_by(|a, b| a < b))
}

/// Small numbers in place of texts, for comparing many with many. What has no text is equal to nothing.
fn ids(old: &[String], new: &[Option<String>]) -> (Vec<usize>, Vec<usize>) {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for key in old.iter().chain(new.iter().flatten()) {
        let next = known.len();
        known.entry(key).or_insert(next);
    }
    let id = |key: &str| known.get(key).copied().unwrap_or(usize::MAX);
    let after = |key: &Option<String>| key.as_deref().map_or(usize::MAX, id);
    (old.iter().map(|key| id(key)).collect(), new.iter().map(after).collect())
}
