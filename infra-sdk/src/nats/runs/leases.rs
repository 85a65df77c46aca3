//! Leases as keys that end by themselves, by the server's clock.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;
use crate::nats::runs::NatsRuns;
use crate::nats::runs::bucket::{Entry, Write, Wrote};
use crate::nats::runs::records::Held;
use crate::runs::{Lease, LeaseRequest, Leases, held_by};

/// The shortest that a server lets a key live.
const SHORTEST: Duration = Duration::from_secs(1);

const HOLD: &str = "take a lease";
const RENEW: &str = "renew a lease";
const RELEASE: &str = "free a lease";
const LIST: &str = "list the leases";

fn lease(entry: &Entry) -> Result<Lease> {
    let held: Held = entry.read()?;
    Ok(Lease {
        name: held.name,
        id: held.id,
        holder: held.holder,
        note: held.note,
        length: Duration::from_millis(held.length_ms),
        token: entry.revision.to_string(),
    })
}

fn held(lease: &Lease) -> Held {
    Held {
        name: lease.name.clone(),
        id: lease.id.clone(),
        holder: lease.holder.clone(),
        note: lease.note.clone(),
        length_ms: u64::try_from(lease.length.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The key of a lease.
fn key(runs: &NatsRuns, name: &str) -> Result<String> {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
    if name.len() > 200 || !name.split('/').all(plain) {
        return Err(Error::invalid(format!("{} is not the name of a lease", quoted(name))).hint(
            "use parts of lower-case letters, digits, `-` and `_`, joined by `/`, at most 200 in all",
        ));
    }
    Ok(runs.keys().lease(name))
}

fn gone(name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the lease {} is gone", quoted(name)))
        .hint("stop what was done under it: another may have begun")
}

#[async_trait]
impl Leases for NatsRuns {
    async fn hold(&self, request: &LeaseRequest) -> Result<Lease> {
        let key = key(self, &request.name)?;
        let mut lease = Lease {
            name: request.name.clone(),
            id: crate::id::unique()?,
            holder: request.holder.clone(),
            note: request.note.clone(),
            length: request.length.max(SHORTEST),
            token: String::new(),
        };
        let link = self.link().await?;
        let mut seen = 0;
        loop {
            let write = Write::new(&key, &held(&lease), seen)?.ending(lease.length);
            if let Wrote::At(revision) = link.write(HOLD, write).await? {
                lease.token = revision.to_string();
                return Ok(lease);
            }
            // What stands there may be the mark of one that ended: another may be written over it.
            seen = match link.get(HOLD, &key).await? {
                Some(entry) if entry.is_there() => {
                    let holder: Held = entry.read()?;
                    return Err(held_by(&request.name, &holder.holder));
                }
                Some(mark) => mark.revision,
                None => 0,
            };
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let key = key(self, &lease.name)?;
        let link = self.link().await?;
        let mut seen = lease.token.parse().map_err(|_| gone(&lease.name))?;
        loop {
            let write = Write::new(&key, &held(lease), seen)?.ending(lease.length);
            if let Wrote::At(revision) = link.write(RENEW, write).await? {
                return Ok(Lease { token: revision.to_string(), ..lease.clone() });
            }
            // Its own renewal may have been heard without an answer: then it goes on from there.
            seen = self.standing(RENEW, &key, lease).await?.ok_or_else(|| gone(&lease.name))?;
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
        let listing = self.link().await?.list(LIST, &self.keys().leases(prefix)).await?;
        let leases: Result<Vec<Lease>> = listing.entries.iter().map(lease).collect();
        Ok(leases?.into_iter().filter(|lease| lease.name.starts_with(prefix)).collect())
    }
}

impl NatsRuns {
    /// The revision at which this holding of the name stands; `None` when it is gone.
    async fn standing(&self, what: &str, key: &str, lease: &Lease) -> Result<Option<u64>> {
        match self.link().await?.get(what, key).await?.filter(Entry::is_there) {
            Some(entry) => {
                let held: Held = entry.read()?;
                Ok((held.id == lease.id).then_some(entry.revision))
            }
            None => Ok(None),
        }
    }
}
