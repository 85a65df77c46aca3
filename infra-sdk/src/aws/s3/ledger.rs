//! The ledger as objects of a bucket, one an entry, so that all machines share it.

use async_trait::async_trait;

use crate::aws::s3::bucket::{Bucket, OURS};
use crate::aws::several::several;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Entry, Ledger, Record};
use crate::names::OrgName;
use crate::time::Timestamp;

/// The highest number an entry can have.
const MOST: u64 = 9_999_999_999;

/// How many entries are read at the same time.
const AT_ONCE: u64 = 16;

/// How often a number that somebody else took is left to them, and the next one is tried.
const ROUNDS: usize = 200;

/// A ledger of one object an entry, below `.infra-sdk/ledger/ORG/`. An entry is created where there is none, so that of
/// two that append at once the second follows the first.
///
/// Its object is named `COUNTDOWN-NUMBER.json`: lists come in the order of names, so that the newest entry is the first
/// of them. Adding one takes three requests, however long the ledger is. An entry that was changed or deleted is found by
/// [`verify`](crate::ledger::verify); where the bucket keeps versions, what it was before can be read there.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, aws::{Aws, Bucket, S3Ledger}, ledger::verify};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let ledger = S3Ledger::new(Bucket::on_s3(aws, "acme-terraform-state", None)?, &"acme".parse()?);
/// println!("{}", verify(&ledger, None).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct S3Ledger {
    bucket: Bucket,
    folder: String,
}

impl S3Ledger {
    /// The ledger of an organisation.
    pub fn new(bucket: Bucket, org: &OrgName) -> Self {
        S3Ledger { bucket, folder: format!("{OURS}/ledger/{org}/") }
    }

    fn object(&self, number: u64) -> String {
        format!("{}{:010}-{number:010}.json", self.folder, MOST.saturating_sub(number))
    }

    /// The number of the newest entry; 0 when there is none.
    async fn newest(&self) -> Result<u64> {
        let Some(first) = self.bucket.list(&self.folder, 1).await?.pop() else { return Ok(0) };
        let number = first.key.strip_prefix(&self.folder).and_then(|name| {
            let number = name.strip_suffix(".json")?.split_once('-')?.1;
            number.parse().ok().filter(|number| self.object(*number) == first.key)
        });
        number.ok_or_else(|| {
            Error::invalid("an object lies among the ledger's entries that is none")
                .with("place", self.bucket.place(&first.key))
                .hint("find out who put it there, then remove it")
        })
    }

    /// Lets only an entry be followed that says the number of its object.
    fn in_place(&self, entry: Entry, number: u64) -> Result<Entry> {
        if entry.seq == number {
            return Ok(entry);
        }
        Err(Error::invalid("a ledger entry lies where another one belongs")
            .with("place", self.place(number))
            .with("number", entry.seq)
            .hint("run `cargo xtask infra:ledger:verify`, and restore that object from its versions"))
    }

    /// The entry of a number that is not above the newest one's.
    async fn entry(&self, number: u64) -> Result<Entry> {
        let Some(object) = self.bucket.get(&self.object(number)).await? else {
            return Err(Error::invalid("a ledger entry is missing: it was removed")
                .with("place", self.place(number))
                .hint(
                    "restore that object from its versions; until then the ledger proves nothing after it",
                ));
        };
        serde_json::from_slice(&object.bytes).map_err(|error| {
            Error::invalid("a ledger entry cannot be read: it was edited or damaged")
                .with("place", self.place(number))
                .because(error)
                .hint("restore that object from its versions; until then the ledger proves nothing after it")
        })
    }
}

#[async_trait]
impl Ledger for S3Ledger {
    async fn append(&self, record: Record) -> Result<Entry> {
        for _ in 0..ROUNDS {
            let last = match self.newest().await? {
                0 => None,
                number => Some(self.entry(number).await.and_then(|entry| self.in_place(entry, number))?),
            };
            let entry = record.clone().follow(last.as_ref(), Timestamp::now());
            let json = serde_json::to_vec(&entry)
                .map_err(|error| Error::new(ErrorKind::Bug, "write a ledger entry").because(error))?;
            if self.bucket.put_if_absent(&self.object(entry.seq), &json).await? {
                return Ok(entry);
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the ledger is written to all the time, so nothing was added")
            .with("ledger", self.bucket.place(&self.folder))
            .hint("try again; if it stays so, run `cargo xtask infra:ledger:verify`")
            .retryable())
    }

    async fn read(&self, skip: u64, limit: usize) -> Result<Vec<Entry>> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let end = self.newest().await?.min(skip.saturating_add(limit));
        let mut entries = Vec::new();
        let mut next = skip.saturating_add(1);
        while next <= end {
            let wave = next..=end.min(next + AT_ONCE - 1);
            next = wave.end() + 1;
            let reads = wave.map(async |number| Ok(self.entry(number).await)).collect();
            for entry in several(reads, AT_ONCE as usize).await? {
                match entry {
                    Ok(entry) => entries.push(entry),
                    // What stands before the damage is judged first; the next read starts at it.
                    Err(error) if error.kind() == ErrorKind::Invalid && !entries.is_empty() => {
                        return Ok(entries);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(entries)
    }

    fn place(&self, nth: u64) -> String {
        self.bucket.place(&self.object(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::connect::Aws;
    use crate::env::Env;

    #[test]
    fn the_newest_entry_is_the_first_of_a_list() {
        let aws = Aws::connect(&Env::of([("X", "y")], "/"), Some("eu-central-1")).unwrap();
        let ledger = S3Ledger::new(Bucket::on_s3(aws, "acme-state", None).unwrap(), &"acme".parse().unwrap());
        let mut names: Vec<String> = [1, 2, 9, 10, 11, 1_000_000].map(|number| ledger.object(number)).into();
        let newest_first: Vec<String> = names.iter().rev().cloned().collect();
        names.sort();
        assert_eq!(names, newest_first);
        assert_eq!(ledger.place(41), "s3://acme-state/.infra-sdk/ledger/acme/9999999958-0000000041.json");
    }
}
