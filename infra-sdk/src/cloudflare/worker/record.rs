//! Which releases were accepted, and when: in the message that Cloudflare keeps with a deployment.
//!
//! A version never changes, so what becomes of it later cannot stand with it. Each deployment that is made here carries the
//! whole list on, so that the newest one of ours tells all, however many others were made in between.
//!
//! A version of somebody else does not say which image its container had. Where it has one, that stands in the list, too, or
//! going back to the version would leave the container as the failed release made it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::cloudflare::worker::note::LONGEST;
use crate::cloudflare::worker::output::is_version;
use crate::deploy::ReleaseId;
use crate::time::Timestamp;

/// What our messages begin with.
const MARK: &str = "infra-sdk accepted";

/// The longest image that is noted: beside it there must be room for the releases.
const IMAGE: usize = 400;

/// The releases that were accepted and are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    times: BTreeMap<ReleaseId, Timestamp>,
    /// What the container had with a version of somebody else.
    images: BTreeMap<ReleaseId, String>,
}

impl Accepted {
    /// The list in a message, if it is one of ours.
    pub(super) fn read(message: &str) -> Option<Self> {
        let words = || message.strip_prefix(MARK).map(str::split_whitespace);
        Some(Accepted {
            times: words()?.filter_map(entry).collect(),
            images: words()?.filter_map(image).collect(),
        })
    }

    /// The message that holds it: the newest, as many as it can name.
    pub(super) fn message(&self) -> String {
        let mut newest: Vec<(&ReleaseId, &Timestamp)> = self.times.iter().collect();
        newest.sort_by(|a, b| b.1.cmp(a.1));
        let mut message = MARK.to_owned();
        for (id, time) in newest {
            let since = time.system_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let hex = id.as_str().replace('-', "");
            let image = self.images.get(id).map(|image| format!(" {hex}={image}")).unwrap_or_default();
            let entry = format!(" {hex}@{:011x}{image}", since.as_millis());
            if message.len() + entry.len() > LONGEST {
                break;
            }
            message.push_str(&entry);
        }
        message
    }

    /// When a release was accepted.
    pub(super) fn time(&self, id: &ReleaseId) -> Option<Timestamp> {
        self.times.get(id).copied()
    }

    /// Whether a version is among them.
    pub(super) fn has(&self, version: &str) -> bool {
        self.times.keys().any(|id| id.as_str() == version)
    }

    /// The one that was accepted last, and when.
    pub(super) fn last(&self) -> Option<(&ReleaseId, Timestamp)> {
        self.times.iter().map(|(id, time)| (id, *time)).max_by_key(|(_, time)| *time)
    }

    /// Makes one the last that was accepted: later than all others, also by another machine's clock that was fast.
    pub(super) fn accept(&mut self, id: &ReleaseId) {
        let after = self.last().map(|(_, time)| time.plus(Duration::from_millis(1)));
        let time = after.map_or_else(Timestamp::now, |after| after.max(Timestamp::now()));
        self.times.insert(id.clone(), time);
    }

    /// Takes one away.
    pub(super) fn forget(&mut self, id: &ReleaseId) {
        self.times.remove(id);
        self.images.remove(id);
    }

    /// The image that the container had with a version of somebody else.
    pub(super) fn image(&self, id: &ReleaseId) -> Option<&str> {
        self.images.get(id).map(String::as_str)
    }

    /// Notes that image, if it can be read back; whether it can.
    pub(super) fn keep_image(&mut self, id: &ReleaseId, image: &str) -> bool {
        let fits = !image.is_empty() && image.len() <= IMAGE && !image.contains(char::is_whitespace);
        if fits {
            self.images.insert(id.clone(), image.to_owned());
        }
        fits
    }
}

/// `HEX@TIME`.
fn entry(text: &str) -> Option<(ReleaseId, Timestamp)> {
    let (hex, time) = text.split_once('@')?;
    let time = u64::from_str_radix(time, 16).ok()?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(time))?;
    Some((version(hex)?, time.into()))
}

/// `HEX=IMAGE`.
fn image(text: &str) -> Option<(ReleaseId, String)> {
    let (hex, image) = text.split_once('=')?;
    Some((version(hex)?, image.to_owned()))
}

/// The version of which these are the digits.
fn version(hex: &str) -> Option<ReleaseId> {
    let part = |from: usize, to: usize| hex.get(from..to);
    let id =
        format!("{}-{}-{}-{}-{}", part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?);
    Some(id).filter(|id| hex.len() == 32 && is_version(id))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one release takes: a blank, 32 digits of its version, `@`, and the milliseconds since 1970 in 11 digits.
    const ENTRY: usize = 1 + 32 + 1 + 11;

    /// The most releases that such a message can name, where no image stands beside one.
    const MOST: usize = (LONGEST - MARK.len()) / ENTRY;

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
        assert_eq!((read.times.len(), read.last()), (MOST, list.last()));
        assert_eq!(read.time(&id(99)), list.time(&id(99)));
        assert_eq!(list.last().unwrap().0, &id(99));
    }

    #[test]
    fn the_image_of_a_container_comes_back_with_the_version_it_goes_with_and_is_forgotten_with_it() {
        let mut list = Accepted::default();
        let image = format!("registry.example/acme/shop/app@sha256:{}", "a".repeat(64));
        (0..100).for_each(|number| list.accept(&id(number)));
        assert!(list.keep_image(&id(99), &image) && list.keep_image(&id(0), &image));
        let message = list.message();
        assert!(message.len() <= LONGEST, "{}", message.len());
        let mut read = Accepted::read(&message).unwrap();
        assert_eq!((read.image(&id(99)), read.image(&id(0))), (Some(&*image), None));
        assert_eq!(read.last(), list.last());
        read.forget(&id(99));
        assert_eq!(read.image(&id(99)), None);
        for bad in ["", "a b", &"x".repeat(IMAGE + 1)] {
            assert!(!list.keep_image(&id(98), bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        assert_eq!(Accepted::read("somebody's message"), None);
        for bad in
            ["x", "@", "ebda32e65daf4f6f868ead162f3b38d2@zz", "ebda@1", "é@1", "x=y", "=", &"é".repeat(16)]
        {
            assert_eq!(Accepted::read(&format!("{MARK} {bad}")), Some(Accepted::default()), "{bad}");
        }
    }
}
