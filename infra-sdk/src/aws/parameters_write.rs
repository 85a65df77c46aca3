//! Writing parameters: each over what was planned against, those that change their type made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_ssm::types::{ParameterStringFilter, ParameterTier};

use crate::aws::fault::{Call, Why};
use crate::aws::parameters::{FAILURES, SsmParameters, theirs};
use crate::aws::parameters_read as reads;
use crate::aws::ssm::{client, fault};
use crate::aws::ssm_limits as limits;
use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::refs::{Over, ParameterValue, ParameterWrite};
use crate::secret::SecretValue;

/// Writes that were checked: everything that AWS would refuse is known before the first is made.
pub(super) struct Put<'a> {
    store: &'a SsmParameters,
    writes: Vec<ParameterWrite>,
    /// Those that are in the advanced tier, where that matters.
    advanced: BTreeSet<ParamPath>,
}

impl<'a> Put<'a> {
    /// Checks all writes, and looks up what only AWS knows of them.
    pub(super) async fn plan(store: &'a SsmParameters, writes: &[ParameterWrite]) -> Result<Self> {
        ParameterWrite::check_all(writes)?;
        writes.iter().try_for_each(|write| limits::check_name(write.path.as_str()))?;
        let mut writes = writes.to_vec();
        // Whether the type changes must be known before: AWS refuses that, and its emulators do not.
        let unknown: Vec<ParamPath> = writes
            .iter()
            .filter(|write| write.over == Over::Anything)
            .map(|write| write.path.clone())
            .collect();
        let seen = reads::by_name(store, &unknown, false).await?;
        let seen: BTreeMap<&ParamPath, _> = seen.iter().map(|found| (&found.path, found)).collect();
        for write in writes.iter_mut().filter(|write| write.over == Over::Anything) {
            if let Some(found) = seen.get(&write.path) {
                write.over = Over::Version(found.version, found.value.kind());
            }
        }
        let (mut advanced, mut long) = (BTreeSet::new(), Vec::new());
        for write in writes.iter().filter(|write| theirs(&write.value).1.len() > limits::VALUE) {
            if is_advanced(store, &write.path).await? {
                advanced.insert(write.path.clone());
            } else {
                long.push(&write.path);
            }
        }
        if !long.is_empty() {
            return Err(too_long(&long));
        }
        Ok(Put { store, writes, advanced })
    }

    /// Makes them, one after the other; those that change their type together, where the last of them stands. So the contract
    /// of a tree, which comes last, never names what is missing while a parameter is made anew.
    pub(super) async fn make(self) -> Result<Vec<u64>> {
        if self.writes.is_empty() {
            return Ok(Vec::new());
        }
        self.store.aws.before_write().await?;
        let mut versions = vec![0; self.writes.len()];
        let all = self.writes.len();
        let last = self.writes.iter().rposition(changes_type).map_or(0, |at| at + 1);
        let (anew, before): (Vec<usize>, Vec<usize>) =
            (0..last).partition(|at| changes_type(&self.writes[*at]));
        let (mut made, mut pace) = (0, Duration::ZERO);
        for at in before {
            versions[at] = self.one(at, &mut pace).await.map_err(|error| after(error, made, all))?;
            made += 1;
        }
        if !anew.is_empty() {
            self.clear(&anew).await.map_err(|error| after(error, made, all))?;
        }
        for at in anew {
            versions[at] = self.one(at, &mut pace).await.map_err(|error| {
                after(error, made, all).hint(
                    "parameters that change their type were deleted: run the same again to make them anew",
                )
            })?;
            made += 1;
        }
        for (at, version) in versions.iter_mut().enumerate().skip(last) {
            *version = self.one(at, &mut pace).await.map_err(|error| after(error, made, all))?;
            made += 1;
        }
        Ok(versions)
    }

    /// Deletes those that are made anew, and waits as long as AWS asks to. A delete takes the history along, and cannot be
    /// compared afterwards: so only what was planned against is deleted.
    async fn clear(&self, anew: &[usize]) -> Result<()> {
        let paths: Vec<ParamPath> = anew.iter().map(|at| self.writes[*at].path.clone()).collect();
        let found = reads::by_name(self.store, &paths, false).await?;
        let found: BTreeMap<&ParamPath, u64> =
            found.iter().map(|found| (&found.path, found.version)).collect();
        for write in anew.iter().map(|at| &self.writes[*at]) {
            let version = found.get(&write.path).copied().unwrap_or(0);
            if write.over.version() != Some(version) {
                return Err(write.conflict(version));
            }
        }
        self.store.remove(&paths).await?;
        tokio::time::sleep(self.store.pause).await;
        Ok(())
    }

    /// One write. Only a throttled one is made again: of another failure nobody knows whether it was carried out, and made
    /// twice it would look like somebody else's.
    async fn one(&self, at: usize, pace: &mut Duration) -> Result<u64> {
        let write = &self.writes[at];
        tokio::time::sleep(*pace).await;
        let throttled = AtomicBool::new(false);
        let written = self
            .store
            .patiently(0, || async {
                let sent = self.send(write).await;
                if sent.as_ref().is_err_and(|error| error.throttle().is_some()) {
                    throttled.store(true, Ordering::Relaxed);
                }
                sent
            })
            .await?;
        if throttled.into_inner() {
            *pace = Duration::from_secs_f64(1.0 / limits::PUTS_A_SECOND);
        }
        let planned = match changes_type(write) {
            true => 0,
            false => write.over.version().unwrap_or(written.saturating_sub(1)),
        };
        if written == planned.saturating_add(1) {
            return Ok(written);
        }
        let found = written.saturating_sub(1);
        Err(write
            .conflict(found)
            .with("written", format!("version {written}, over what somebody else wrote"))
            .hint(format!(
                "see what was overwritten with `aws ssm get-parameter-history --name {} --region {}`",
                write.path,
                self.store.aws.region()
            )))
    }

    async fn send(&self, write: &ParameterWrite) -> Result<u64> {
        let call = Call { action: "ssm:PutParameter", on: write.path.as_str() };
        let (kind, text) = theirs(&write.value);
        let nothing = write.over == Over::Nothing || changes_type(write);
        let key = self.store.kms_key.clone().filter(|_| matches!(write.value, ParameterValue::Secret(_)));
        // Without a tier the account's default decides; see the store of secrets.
        let tier = self.advanced.contains(&write.path).then_some(ParameterTier::Advanced);
        let hidden = SecretValue::new(text);
        let request = client(&self.store.aws)
            .await?
            .put_parameter()
            .name(write.path.as_str())
            .value(hidden.expose())
            .r#type(kind)
            .set_key_id(key)
            .set_tier(tier)
            .overwrite(!nothing);
        match request.send().await {
            Ok(answer) => Ok(u64::try_from(answer.version).unwrap_or(0)),
            Err(error) => {
                let fault = fault(call, &error);
                if nothing
                    && matches!(&fault.why, Why::Refused { code, .. } if code == "ParameterAlreadyExists")
                {
                    let found = reads::by_name(self.store, std::slice::from_ref(&write.path), false).await;
                    let found = found.ok().and_then(|found| found.first().map(|found| found.version));
                    return Err(write.conflict(found.unwrap_or(1)));
                }
                Err(fault.hiding(&hidden).into())
            }
        }
    }
}

/// Whether a write turns a parameter into one of another type, which AWS does not do.
fn changes_type(write: &ParameterWrite) -> bool {
    matches!(write.over, Over::Version(_, kind) if kind != write.value.kind())
}

/// What else was written when one of several failed.
fn after(error: Error, made: usize, all: usize) -> Error {
    if made == 0 {
        return error;
    }
    error
        .with("written before it", format!("{made} of {all}"))
        .hint("run the same again: what is written already is not written twice")
}

async fn is_advanced(store: &SsmParameters, path: &ParamPath) -> Result<bool> {
    let client = &client(&store.aws).await?;
    let name = ParameterStringFilter::builder().key("Name").option("Equals").values(path.as_str()).build();
    let name =
        name.map_err(|error| Error::new(ErrorKind::Bug, "ask for a parameter's tier").because(error))?;
    let told = store
        .patiently(FAILURES, || async {
            let request = client.describe_parameters().parameter_filters(name.clone());
            let call = Call { action: "ssm:DescribeParameters", on: path.as_str() };
            request.send().await.map_err(|error| Error::from(fault(call, &error)))
        })
        .await?;
    let theirs = told.parameters.unwrap_or_default();
    Ok(theirs
        .iter()
        .any(|it| it.name() == Some(path.as_str()) && it.tier() == Some(&ParameterTier::Advanced)))
}

fn too_long(paths: &[&ParamPath]) -> Error {
    let named: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
    let (named, path) = (named.join(", "), named.first().copied().unwrap_or_default());
    Error::invalid(format!("a parameter takes at most {} bytes", limits::VALUE))
        .with("parameter", named)
        .hint("make it shorter, split it into several, or publish where it is kept instead")
        .hint(format!(
            "or make it an advanced parameter, of up to 8192 bytes, which costs money and cannot be undone: \
             `aws ssm put-parameter --name {path} --tier Advanced --type String --value x`, then publish again"
        ))
}

impl SsmParameters {
    /// Deletes parameters, and gives how many there were.
    pub(super) async fn remove(&self, paths: &[ParamPath]) -> Result<usize> {
        let client = &client(&self.aws).await?;
        let mut removed = 0;
        for batch in paths.chunks(limits::DELETES) {
            let on = batch.first().map(ToString::to_string).unwrap_or_default();
            let answer = self
                .patiently(FAILURES, || async {
                    let names = batch.iter().map(ToString::to_string).collect();
                    let request = client.delete_parameters().set_names(Some(names));
                    let call = Call { action: "ssm:DeleteParameters", on: &on };
                    request.send().await.map_err(|error| Error::from(fault(call, &error)))
                })
                .await?;
            let told: BTreeSet<&String> =
                answer.deleted_parameters().iter().chain(answer.invalid_parameters()).collect();
            if let Some(left) = batch.iter().find(|path| !told.contains(&path.to_string())) {
                return Err(Error::new(ErrorKind::Unavailable, "AWS did not say what became of a delete")
                    .with("parameter", left)
                    .hint("try again: deleting what is gone does no harm")
                    .retryable());
            }
            removed += answer.deleted_parameters().len();
        }
        Ok(removed)
    }
}
