//! Which releases were accepted, and when: in the message that Cloudflare keeps with a deployment.
//!
//! A version never changes, so what becomes of it later cannot stand with it. Each deployment that is made here carries the
//! whole list on, so that the newest one of ours tells all, however many others were made in between.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::cloudflare::worker::note::LONGEST;
use crate::cloudflare::worker::output::is_version;
use crate::deploy::ReleaseId;
use crate::time::Timestamp;

/// What our messages begin with.
const MARK: &str = "infra-sdk accepted";

/// What one release takes: a blank, 32 digits of its version, `@`, and the milliseconds since 1970 in 11 digits.
const ENTRY: usize = 1 + 32 + 1 + 11;

/// The most releases that such a message can name.
pub(super) const MOST: usize = (LONGEST - MARK.len()) / ENTRY;

/// The releases that were accepted and are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted(BTreeMap<ReleaseId, Timestamp>);

impl Accepted {
    /// The list in a message, if it is one of ours.
    pub(super) fn read(message: &str) -> Option<Self> {
        let rest = message.strip_prefix(MARK)?;
        Some(Accepted(rest.split_whitespace().filter_map(entry).collect()))
    }

    /// The message that holds it.
    pub(super) fn message(&self) -> String {
        let mut newest: Vec<(&ReleaseId, &Timestamp)> = self.0.iter().collect();
        newest.sort_by(|a, b| b.1.cmp(a.1));
        let entries = newest.into_iter().take(MOST).map(|(id, time)| {
            let since = time.system_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!(" {}@{:011x}", id.as_str().replace('-', ""), since.as_millis())
        });
        format!("{MARK}{}", entries.collect::<String>())
    }

    /// When a release was accepted.
    pub(super) fn time(&self, id: &ReleaseId) -> Option<Timestamp> {
        self.0.get(id).copied()
    }

    /// Whether a version is among them.
    pub(super) fn has(&self, version: &str) -> bool {
        self.0.keys().any(|id| id.as_str() == version)
    }

    /// The one that was accepted last, and when.
    pub(super) fn last(&self) -> Option<(&ReleaseId, Timestamp)> {
        self.0.iter().map(|(id, time)| (id, *time)).max_by_key(|(_, time)| *time)
    }

    /// Adds one that was good at a time, if it is not there.
    pub(super) fn keep(&mut self, id: &ReleaseId, at: Timestamp) {
        self.0.entry(id.clone()).or_insert(at);
    }

    /// Makes one the last that was accepted: later than all others, also by another machine's clock that was fast.
    pub(super) fn accept(&mut self, id: &ReleaseId) {
        let after = self.last().map(|(_, time)| time.plus(Duration::from_millis(1)));
        let time = after.map_or_else(Timestamp::now, |after| after.max(Timestamp::now()));
        self.0.insert(id.clone(), time);
    }

    /// Takes one away.
    pub(super) fn forget(&mut self, id: &ReleaseId) {
        self.0.remove(id);
    }
}

/// `HEX@TIME`.
fn entry(text: &str) -> Option<(ReleaseId, Timestamp)> {
    let (hex, time) = text.split_once('@')?;
    let part = |from: usize, to: usize| hex.get(from..to);
    let id =
        format!("{}-{}-{}-{}-{}", part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?);
    let time = u64::from_str_radix(time, 16).ok()?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(time))?;
    Some((Some(id).filter(|id| hex.len() == 32 && is_version(id))?.parse().ok()?, time.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ReleaseId {
        format!("ebda32e6-5daf-4f6f-868e-{number:012x}").parse().unwrap()
    }

    #[test]
    fn a_list_comes_back_whole_and_the_newest_stay_when_there_are_too_many() {
        let mut list = Accepted::default();
        assert_eq!(Accepted::read(&list.message()), Some(list.clone()));
        (0..100).for_each(|number| list.accept(&id(number)));
        let message = list.message();
        assert!(message.len() <= LONGEST, "{}", message.len());
        let read = Accepted::read(&message).unwrap();
        assert_eq!((read.0.len(), read.last()), (MOST, list.last()));
        assert_eq!(read.time(&id(99)), list.time(&id(99)));
        assert_eq!(list.last().unwrap().0, &id(99));
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        assert_eq!(Accepted::read("somebody's message"), None);
        for bad in ["x", "@", "ebda32e65daf4f6f868ead162f3b38d2@zz", "ebda@1", "é@1", &"é".repeat(16)] {
            assert_eq!(Accepted::read(&format!("{MARK} {bad}")), Some(Accepted::default()), "{bad}");
        }
    }
}
