//! What is kept of an approved plan: names and keyed digests, no plan and no value.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind, Result};
use crate::id;
use crate::plan::model::Plan;
use crate::plan::verdict::Comparison;
use crate::plan::verdict::code::Code;
use crate::plan::verdict::comparison::Reasons;
use crate::plan::verdict::entry::{Entry, counts};
use crate::plan::verdict::key::{ApprovalKey, Stamp};
use crate::plan::verdict::outline::Outline;
use crate::plan::verdict::output::{self, Outputs};
use crate::plan::verdict::pairing::{Approved, resources, sample};

/// Larger than the approval of any plan: 100,000 changes are 50 MB.
const LARGEST: usize = 128 << 20;

/// What has to be kept with an approval, so that a later plan can be held against it.
///
/// Addresses, actions and names of attributes stand in it in clear; values, and keys below a sensitive mark, as digests
/// under an [`ApprovalKey`]. It is sealed with the same key: what somebody changes is refused.
///
/// ```
/// use infra_sdk::plan::Plan;
/// use infra_sdk::plan::verdict::{Approval, ApprovalKey, Verdict};
/// let json = br#"{"format_version": "1.2", "resource_changes": [{"address": "aws_db.main", "change":
///     {"actions": ["update"], "before": {"password": "hunter1"}, "after": {"password": "hunter2"}}}]}"#;
/// let (plan, key) = (Plan::parse(json)?, ApprovalKey::generate()?);
/// let kept = serde_json::to_string(&Approval::of(&plan, &key)?).expect("it is plain JSON");
/// assert!(!kept.contains("hunter"));
///
/// let approval = Approval::parse(kept.as_bytes())?;
/// assert_eq!(approval.compare(&plan, &key)?.verdict, Verdict::Equal);
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    version: Version,
    /// Tells the key from every other.
    key: Stamp,
    digest: String,
    plan: Body,
}

/// The only version there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    outline: Outline,
    #[serde(default, skip_serializing_if = "Code::is_empty")]
    code: Code,
    /// How many entries the plan has, those nothing is done to included.
    entries: usize,
    /// Some of their addresses, hashed.
    sample: BTreeSet<u64>,
    changes: Vec<Entry>,
    outputs: Outputs,
}

impl Approval {
    /// What is to be kept of `plan`.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of), and `Invalid` when the configuration is not shaped like one.
    pub fn of(plan: &Plan<'_>, key: &ApprovalKey) -> Result<Self> {
        let changes = plan.resource_changes.iter().filter(|resource| counts(resource));
        let mut changes = changes.map(|resource| Entry::of(resource, key)).collect::<Result<Vec<_>>>()?;
        changes.sort_by(|a, b| (&a.address, &a.deposed).cmp(&(&b.address, &b.deposed)));
        let body = Body {
            outline: Outline::of(plan),
            code: Code::of(plan, key)?,
            entries: plan.resource_changes.len(),
            sample: sample(plan),
            changes,
            outputs: output::outputs(plan, key, None)?,
        };
        Ok(Approval { version: Version, key: fingerprint(key), digest: digest(&body, key), plan: body })
    }

    /// Reads what was kept, as JSON.
    ///
    /// # Errors
    /// `Invalid` when it is no such thing, of a newer version, or larger than 128 MiB. Whether it was changed is asked by
    /// [`compare`](Approval::compare), which has the key.
    pub fn parse(json: &[u8]) -> Result<Self> {
        if json.len() > LARGEST {
            return Err(Error::invalid("the kept approval is larger than 128 MiB").hint(AGAIN));
        }
        serde_json::from_slice(json).map_err(|error| {
            // Its words may quote the text, which may be anything.
            let newer = error.to_string().contains(NEWER);
            let what = if newer { NEWER } else { "this is not a kept approval of a plan" };
            let refused = Error::invalid(what).with("line", error.line()).with("column", error.column());
            if newer { refused.hint("upgrade infra-sdk").hint(AGAIN) } else { refused.hint(AGAIN) }
        })
    }

    /// Holds a plan against the approved one; as [`compare`](crate::plan::verdict::compare), for the same reasons.
    ///
    /// # Errors
    /// `Conflict` when the approval was made with another key; `Invalid` when somebody changed it, or when `replan` has a
    /// resource twice or values that cannot be read.
    pub fn compare(&self, replan: &Plan<'_>, key: &ApprovalKey) -> Result<Comparison> {
        self.check(key)?;
        let mut reasons = Reasons::default();
        let body = &self.plan;
        let changes: Vec<Approved<'_, '_>> = body.changes.iter().map(Approved::Kept).collect();
        let sample = || body.sample.clone();
        if resources(key, &changes, sample, body.entries == 0, replan, &mut reasons)? {
            output::compare(key, &body.outputs, replan, None, &mut reasons)?;
            body.outline.compare(replan, &mut reasons);
            body.code.compare(&Code::of(replan, key)?, &mut reasons);
        }
        Ok(reasons.finish())
    }

    /// Asks whether it was made with this key and is as it was made.
    ///
    /// # Errors
    /// `Conflict` when it was made with another key; `Invalid` when somebody changed it.
    pub fn check(&self, key: &ApprovalKey) -> Result<()> {
        if self.key != fingerprint(key) {
            return Err(Error::new(ErrorKind::Conflict, "the approval was made with another key")
                .hint("use the key it was made with")
                .hint(AGAIN));
        }
        let (given, made) = (self.digest.as_bytes(), digest(&self.plan, key));
        let differs = given.iter().zip(made.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        if given.len() != made.len() || differs != 0 {
            return Err(Error::invalid("the kept approval was changed after it was made").hint(AGAIN));
        }
        Ok(())
    }

    /// The digest of all of it: `hmac-sha256:` and 64 hexadecimal digits. Plans that do the same have the same one under
    /// one key, in whatever order and at whatever time they were written.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many resources it lets a plan change.
    pub fn changes(&self) -> usize {
        self.plan.changes.len()
    }
}

const AGAIN: &str = "have the plan approved again";
const NEWER: &str = "the kept approval is of a version this program does not know";

fn fingerprint(key: &ApprovalKey) -> Stamp {
    Stamp::half(key.mac(&[b"infra-sdk plan approval key 1"]))
}

fn digest(body: &Body, key: &ApprovalKey) -> String {
    let text = serde_json::to_vec(body).expect("maps with keys of text and plain values are JSON");
    format!("hmac-sha256:{}", id::hex(&key.mac(&[b"infra-sdk plan approval 1", &text])))
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = self.changes();
        write!(f, "approval of {changes} change{} ({})", if changes == 1 { "" } else { "s" }, self.digest)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Version),
            _ => Err(de::Error::custom(NEWER)),
        }
    }
}
