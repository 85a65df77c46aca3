//! Leases as keys that end by themselves, by the server's clock.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::nats::runs::NatsRuns;
use crate::nats::runs::bucket::{Entry, Write, Wrote};
use crate::runs::{Lease, LeaseRecord, LeaseRequest, Leases, check_name, held_by};
use crate::time::Timestamp;

const HOLD: &str = "take a lease";
const RENEW: &str = "renew a lease";
const RELEASE: &str = "free a lease";
const LIST: &str = "list the leases";

fn lease(entry: &Entry) -> Result<Lease> {
    let record: LeaseRecord = entry.read()?;
    Ok(record.into_lease(entry.revision.to_string()))
}

/// Whether what stands there ended long ago. A server that was killed may bring a key back which had ended, and then lets it
/// stand for ever: its time is not counted any more. By the clock of the server alone, and not before twice the length, which
/// leaves room for the clocks of two servers that lead one after the other.
fn is_left_over(entry: &Entry, length: Duration, now: Option<Timestamp>) -> bool {
    entry.written.zip(now).is_some_and(|(written, now)| written.until(now) > length.saturating_mul(2))
}

/// The key of a lease.
fn key(runs: &NatsRuns, name: &str) -> Result<String> {
    check_name(name)?;
    Ok(runs.keys().lease(name))
}

#[async_trait]
impl Leases for NatsRuns {
    async fn hold(&self, request: &LeaseRequest) -> Result<Lease> {
        let key = key(self, &request.name)?;
        let mut lease = Lease::asked(request)?;
        let link = self.link().await?;
        let mut seen = 0;
        loop {
            let write = Write::new(&key, &LeaseRecord::from(&lease), seen)?.ending(lease.length);
            if let Wrote::At(revision) = link.write(HOLD, write).await? {
                lease.token = revision.to_string();
                return Ok(lease);
            }
            // What stands there may be the mark of one that ended: another may be written over it.
            seen = match link.get(HOLD, &key).await? {
                Some(entry) if entry.is_there() => {
                    let record: LeaseRecord = entry.read()?;
                    let length = record.length();
                    if !is_left_over(&entry, length, link.now(HOLD).await?) {
                        return Err(held_by(&request.name, &record.holder));
                    }
                    entry.revision
                }
                Some(mark) => mark.revision,
                None => 0,
            };
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let key = key(self, &lease.name)?;
        let link = self.link().await?;
        let mut seen = lease.token.parse().map_err(|_| lease.gone())?;
        loop {
            let write = Write::new(&key, &LeaseRecord::from(lease), seen)?.ending(lease.length);
            if let Wrote::At(revision) = link.write(RENEW, write).await? {
                return Ok(Lease { token: revision.to_string(), ..lease.clone() });
            }
            // Its own renewal may have been heard without an answer: then it goes on from there.
            seen = self.standing(RENEW, &key, lease).await?.ok_or_else(|| lease.gone())?;
        }
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        let key = key(self, &lease.name)?;
        let link = self.link().await?;
        while let Some(seen) = self.standing(RELEASE, &key, lease).await? {
            if let Wrote::At(_) = link.write(RELEASE, Write::erase(&key, seen)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn leases(&self, prefix: &str) -> Result<Vec<Lease>> {
        let link = self.link().await?;
        let listing = link.list(LIST, &self.keys().leases(prefix)).await?;
        let mut leases = Vec::with_capacity(listing.entries.len());
        for entry in &listing.entries {
            let lease = lease(entry)?;
            if is_left_over(entry, lease.length, listing.now) {
                // Whoever passes over one takes it away; that somebody else did, or that it stays, is no failure of the look.
                let key = self.keys().lease(&lease.name);
                let _ = link.write(LIST, Write::erase(&key, entry.revision)).await;
            } else if lease.name.starts_with(prefix) {
                leases.push(lease);
            }
        }
        Ok(leases)
    }
}

impl NatsRuns {
    /// The revision at which this holding of the name stands; `None` when it is gone.
    async fn standing(&self, what: &str, key: &str, lease: &Lease) -> Result<Option<u64>> {
        match self.link().await?.get(what, key).await?.filter(Entry::is_there) {
            Some(entry) => {
                let held: LeaseRecord = entry.read()?;
                Ok((held.id == lease.id).then_some(entry.revision))
            }
            None => Ok(None),
        }
    }
}
