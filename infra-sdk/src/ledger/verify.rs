//! Proving that nobody touched the ledger.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::ledger::{Entry, Ledger};

const PAGE: usize = 5_000;

/// A ledger whose chain is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the last one: note it elsewhere, and a later check finds a ledger that was cut or rewritten.
    pub head: Digest,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = if self.entries == 1 { "entry" } else { "entries" };
        write!(f, "{} {entries}, chain whole, head {}", self.entries, self.head)
    }
}

/// Checks every entry against its hash and the one before it.
///
/// A chain alone cannot show that entries were cut off its end, or that all of it was written anew. Give a
/// head that was `noted` earlier to find that too.
///
/// # Errors
/// `Invalid`, naming the first bad entry, its place and what was done to it; what reading fails with otherwise.
pub async fn verify(ledger: &dyn Ledger, noted: Option<&Digest>) -> Result<Verified> {
    let mut count = 0;
    let mut head = Entry::root();
    let mut seen = noted.is_none_or(|noted| *noted == head);
    loop {
        let page = ledger.read(count, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            count += 1;
            if let Some(why) = flaw(&entry, count, &head) {
                return Err(Error::invalid(format!("ledger entry {count} {why}"))
                    .with("place", ledger.place(count))
                    .with("actor", entry.actor.escape_debug())
                    .hint("compare with a backup to see what was changed, and keep both as evidence"));
            }
            head = entry.hash;
            seen = seen || noted == Some(&head);
        }
    }
    let strangers = ledger.strangers();
    if let Some(first) = strangers.first() {
        return Err(Error::invalid(match strangers.len() {
            1 => "something in the ledger is no entry".to_owned(),
            count => format!("{count} things in the ledger are no entries"),
        })
        .with("first", first)
        .with("entries", format!("{count}, their chain is whole"))
        .hint("find out who may write there: it takes no entry away and stops no other, but nobody should be able to"));
    }
    match noted {
        Some(noted) if !seen => Err(Error::invalid("the ledger does not hold the head that was noted")
            .with("noted", noted)
            .with("entries", count)
            .with("head", &head)
            .hint("entries were cut off its end or it was written anew: compare with a backup")),
        _ => Ok(Verified { entries: count, head }),
    }
}

fn flaw(entry: &Entry, expected: u64, prev: &Digest) -> Option<String> {
    let edited = entry.seal() != entry.hash;
    if edited {
        Some("was edited: its content does not match its hash".into())
    } else if entry.seq > expected {
        Some(format!(
            "is out of order: it is number {}, so entries before it were removed or moved",
            entry.seq
        ))
    } else if entry.seq < expected {
        Some(format!("is out of order: it is number {}, so it was repeated, inserted or moved", entry.seq))
    } else if entry.prev != *prev {
        Some("does not follow the one before it: one of the two was replaced".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::ledger::{Outcome, Record};
    use crate::time::Timestamp;

    struct Kept(Vec<Entry>);

    #[async_trait]
    impl Ledger for Kept {
        async fn append(&self, _: Record) -> Result<Entry> {
            Err(Error::invalid("read only"))
        }
        async fn read(&self, skip: u64, limit: usize) -> Result<Vec<Entry>> {
            Ok(self.0.iter().skip(skip as usize).take(limit).cloned().collect())
        }
        fn place(&self, nth: u64) -> String {
            format!("line {nth}")
        }
    }

    fn chain(length: usize) -> Kept {
        let mut entries: Vec<Entry> = Vec::new();
        for index in 0..length {
            let record = Record::new(
                "ada",
                "local".parse().unwrap(),
                "shop".parse().unwrap(),
                "deploy",
                format!("app-{index}"),
                Outcome::Done,
            );
            entries.push(record.follow(entries.last(), Timestamp::now()));
        }
        Kept(entries)
    }

    async fn said(tamper: impl FnOnce(&mut Vec<Entry>)) -> String {
        let mut ledger = chain(5);
        tamper(&mut ledger.0);
        verify(&ledger, None).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_untouched_chain_is_whole_and_an_empty_one_too() {
        let ledger = chain(3);
        let verified = verify(&ledger, None).await.unwrap();
        assert_eq!((verified.entries, &verified.head), (3, &ledger.0[2].hash));
        assert_eq!(verify(&chain(0), None).await.unwrap().entries, 0);
    }

    #[tokio::test]
    async fn each_way_to_tamper_is_named_with_its_place() {
        let edited = said(|entries| entries[2].actor = "eve".into()).await;
        assert!(edited.contains("entry 3 was edited") && edited.contains("place: line 3"), "{edited}");
        let removed = said(|entries| drop(entries.remove(1))).await;
        assert!(removed.contains("entry 2 is out of order: it is number 3"), "{removed}");
        let moved = said(|entries| entries.swap(1, 2)).await;
        assert!(moved.contains("entry 2 is out of order"), "{moved}");
        let repeated = said(|entries| entries.insert(1, entries[0].clone())).await;
        assert!(repeated.contains("entry 2 is out of order: it is number 1"), "{repeated}");
        let replaced = said(|entries| {
            entries[1].actor = "eve".into();
            entries[1].hash = entries[1].seal();
        })
        .await;
        assert!(replaced.contains("entry 3 does not follow"), "{replaced}");
    }

    #[tokio::test]
    async fn a_cut_end_is_found_with_a_head_that_was_noted() {
        let mut ledger = chain(5);
        let noted = ledger.0[4].hash.clone();
        assert!(verify(&ledger, Some(&noted)).await.is_ok());
        ledger.0.pop();
        assert!(verify(&ledger, None).await.is_ok());
        let error = verify(&ledger, Some(&noted)).await.unwrap_err().to_string();
        assert!(error.contains("does not hold the head"), "{error}");
    }
}
