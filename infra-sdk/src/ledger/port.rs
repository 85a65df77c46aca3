//! The port to wherever the ledger is kept.

use async_trait::async_trait;

use crate::error::Result;
use crate::ledger::{Entry, Record};

/// Keeps the ledger of one organisation.
///
/// # Contract
/// - An appended record is read back as given, as the last entry, with the next number and the hash of the
///   entry before; the entry returned is the entry kept.
/// - Appends by several processes at once all succeed, and the chain is whole afterwards.
/// - Nothing this port offers changes or removes an entry.
/// - A read gives entries in the order they were appended, at most `limit`, leaving out the first `skip`; none when
///   there are no more.
/// - A read reports what is kept, also when it was tampered with: judging is for [`verify`](crate::ledger::verify).
/// - An entry that cannot be read at all is an `Invalid` error that names its [place](Ledger::place),
///   given only once all entries before it were read.
/// - Where entries cannot be changed once they are kept, what cannot be read never was one: it is passed over, is in
///   nobody's way, and is one of the [strangers](Ledger::strangers).
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Adds a record at the end, at the present time.
    ///
    /// # Errors
    /// `Invalid` when the last entry is so damaged that nothing can follow it; `Unavailable`, `Denied` or `Io`
    /// when it could not be kept.
    async fn append(&self, record: Record) -> Result<Entry>;

    /// Entries from the one numbered `skip + 1` on.
    ///
    /// # Errors
    /// `Invalid` for an entry that cannot be read; `Unavailable`, `Denied` or `Io` otherwise.
    async fn read(&self, skip: u64, limit: usize) -> Result<Vec<Entry>>;

    /// Where that lies among the entries which is none and was passed over by what was read so far.
    fn strangers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where a person finds the entry that is `nth` in order, counted from 1: a file and line, or an object.
    fn place(&self, nth: u64) -> String;
}
