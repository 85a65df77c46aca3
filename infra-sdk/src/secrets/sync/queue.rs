//! The changes one store still needs, in the portions that its requests can carry.

use std::collections::VecDeque;

use crate::error::{Error, ErrorKind};
use crate::names::SecretName;
use crate::secrets::store::Costs;
use crate::secrets::sync::calls;
use crate::secrets::sync::compare::Put;

/// Puts, then deletes: what is not wanted goes only once everything that is wanted is there.
pub(super) struct Queue {
    waiting: VecDeque<Queued>,
    costs: Costs,
}

/// A change that is not made yet, or not for sure.
pub(super) struct Queued {
    pub(super) change: Change,
    /// Whether it may have been made, for a request that carried it failed.
    pub(super) tried: bool,
}

pub(super) enum Change {
    Put(Put),
    Delete(SecretName),
}

impl Queued {
    pub(super) fn name(&self) -> &SecretName {
        match &self.change {
            Change::Put(put) => &put.wanted.name,
            Change::Delete(name) => name,
        }
    }

    fn is_put(&self) -> bool {
        matches!(self.change, Change::Put(_))
    }
}

impl Queue {
    pub(super) fn new(puts: Vec<Put>, deletes: Vec<SecretName>, costs: Costs) -> Self {
        let changes = puts.into_iter().map(Change::Put).chain(deletes.into_iter().map(Change::Delete));
        Queue { waiting: changes.map(|change| Queued { change, tried: false }).collect(), costs }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.waiting.iter().map(Queued::name)
    }

    /// The next changes that one request can carry; puts only, unless it is known that deletes may follow.
    pub(super) fn take(&mut self, deletes: bool) -> Vec<Queued> {
        let Some(first) = self.waiting.front() else { return Vec::new() };
        let (mixed, puts) = (self.costs.mixed, first.is_put());
        let most = match (mixed, puts) {
            (true, _) => calls::mixed(&self.costs),
            (false, true) => self.costs.puts.max(1),
            (false, false) => self.costs.deletes.max(1),
        };
        let fits = |queued: &&Queued| {
            let put = queued.is_put();
            (mixed || put == puts) && (put || deletes)
        };
        let count = self.waiting.iter().take(most).take_while(fits).count();
        self.waiting.drain(..count).collect()
    }

    /// Puts changes back to where they were taken from.
    pub(super) fn put_back(&mut self, chunk: Vec<Queued>) {
        for queued in chunk.into_iter().rev() {
            self.waiting.push_front(queued);
        }
    }
}

/// Which one of the changes an error is about, if the store refuses just that.
pub(super) fn refused(changes: &[Queued], error: &Error) -> Option<usize> {
    if error.kind() != ErrorKind::Invalid || error.is_retryable() {
        return None;
    }
    if changes.len() == 1 {
        return Some(0);
    }
    let name = error.context().find(|(key, _)| *key == "secret").map(|(_, name)| name)?;
    changes.iter().position(|queued| queued.name().as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;
    use crate::secrets::fingerprint::FingerprintKey;
    use crate::secrets::store::Stamps;
    use crate::secrets::sync::compare::{Action, Wanted};

    fn queue(puts: usize, deletes: usize, carries: (usize, usize), mixed: bool) -> Queue {
        let name = |kind: &str, at: usize| format!("{kind}{at}").parse::<SecretName>().unwrap();
        let put = |at| {
            let (name, value) = (name("P", at), SecretValue::new("canary"));
            let fingerprint = FingerprintKey::from_bytes([7; 32]).fingerprint("s", &name, &value);
            Put { wanted: Wanted { name, value, fingerprint }, action: Action::Create }
        };
        let (page, opening, stamps, pace) = (1, 0, Stamps::None, None);
        let costs = Costs {
            puts: carries.0,
            deletes: carries.1,
            mixed,
            page,
            opening,
            stamps,
            pace,
            ..Costs::default()
        };
        Queue::new((0..puts).map(put).collect(), (0..deletes).map(|at| name("D", at)).collect(), costs)
    }

    fn portions(mut queue: Queue, deletes: bool) -> Vec<usize> {
        let portions = std::iter::from_fn(|| Some(queue.take(deletes).len()).filter(|count| *count > 0));
        portions.collect()
    }

    #[test]
    fn a_request_carries_what_the_store_says_and_deletes_come_last() {
        assert_eq!(portions(queue(3, 1, (1, 10), false), true), [1, 1, 1, 1]);
        assert_eq!(portions(queue(3, 12, (2, 10), false), true), [2, 1, 10, 2]);
        assert_eq!(portions(queue(150, 70, (100, 100), true), true), [100, 100, 20]);
        assert_eq!(portions(queue(150, 70, (100, 100), true), false), [100, 50]);
        assert_eq!(portions(queue(3, 1, (usize::MAX, usize::MAX), true), true), [4]);
        assert_eq!(portions(queue(0, 5, (1, 10), false), false), [0; 0]);
    }

    #[test]
    fn what_is_put_back_is_taken_next_in_its_order() {
        let mut queue = queue(4, 1, (3, 3), false);
        let mut chunk = queue.take(true);
        chunk.remove(1);
        queue.put_back(chunk);
        let names: Vec<String> = queue.take(true).iter().map(|queued| queued.name().to_string()).collect();
        assert_eq!((names, queue.len()), (vec!["P0".into(), "P2".into(), "P3".into()], 1));
    }
}
