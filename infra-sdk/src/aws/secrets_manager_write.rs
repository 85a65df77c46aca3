//! Writing one secret to Secrets Manager, whether it is there, is not, or waits to be gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_secretsmanager::Client;

use crate::aws::fault::{Call, Fault, Why};
use crate::aws::place::Place;
use crate::aws::secrets_manager::{CURRENT, fault};
use crate::aws::secrets_manager_limits::RECOVERY_DAYS;
use crate::error::{Error, ErrorKind, Result};
use crate::names::SecretName;
use crate::secret::SecretValue;
use crate::secrets::{SecretChange, Stamp, Written};

/// Steps that one put may take: create, put, restore, and two more if somebody else is at it at the same time.
const STEPS: usize = 5;

/// Makes changes, and remembers what is there, so that most need one request.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    seen: Mutex<Seen>,
}

/// What this process knows to be there. Others may have changed it since: then AWS refuses, and another step follows.
#[derive(Debug, Default)]
struct Seen {
    /// Whether a secret that is not among these is missing, or only not looked for.
    all: bool,
    secrets: BTreeMap<SecretName, There>,
}

/// How a secret is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum There {
    /// To be read.
    Alive,
    /// Deleted, and to be recovered for some days.
    Waiting,
}

/// A request that may be the next one on the way to a new value.
#[derive(Clone, Copy)]
enum Step {
    Create,
    Put,
    Restore,
}

/// A put on its way.
struct Put<'a> {
    client: &'a Client,
    full: String,
    value: &'a SecretValue,
    token: String,
    kms_key: Option<String>,
}

impl Writer {
    pub(super) fn new(place: Place) -> Self {
        Writer { place, seen: Mutex::default() }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Remembers what a look showed.
    pub(super) fn saw(&self, secrets: impl Iterator<Item = (SecretName, There)>) {
        *self.seen() = Seen { all: true, secrets: secrets.collect() };
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_step(&self, name: &SecretName) -> Step {
        let seen = self.seen();
        match seen.secrets.get(name) {
            Some(There::Alive) => Step::Put,
            Some(There::Waiting) => Step::Restore,
            None if seen.all => Step::Create,
            None => Step::Put,
        }
    }

    pub(super) async fn make(&self, client: &Client, change: &SecretChange) -> Result<Written> {
        let name = change.name();
        let full = self.place.full(name);
        let (stamp, there) = match change {
            SecretChange::Put { value, token, .. } => {
                let token = token.clone().map_or_else(crate::id::unique, Ok)?;
                let put = Put { client, full, value, token, kms_key: self.place.kms_key.clone() };
                (Some(put.go(self.first_step(name)).await?), Some(There::Alive))
            }
            SecretChange::Delete { .. } => (None, delete(client, &full).await?),
        };
        let mut seen = self.seen();
        match there {
            Some(there) => seen.secrets.insert(name.clone(), there),
            None => seen.secrets.remove(name),
        };
        Ok(Written { name: name.clone(), stamp })
    }
}

impl Put<'_> {
    /// Goes on from `step`, by what AWS answers, until the value is there.
    async fn go(&self, mut step: Step) -> Result<Stamp> {
        for _ in 0..STEPS {
            let answer = match step {
                Step::Create => self.create().await,
                Step::Put => self.put().await,
                Step::Restore => self.restore().await,
            };
            step = match (step, answer) {
                (Step::Restore, Ok(_)) => Step::Put,
                (_, Ok(version)) => return version.ok_or_else(|| self.not_current()),
                (Step::Put | Step::Restore, Err(fault)) if fault.is("ResourceNotFoundException") => {
                    Step::Create
                }
                (Step::Create, Err(fault)) if fault.is("ResourceExistsException") => Step::Put,
                (Step::Create | Step::Put, Err(fault)) if fault.is_waiting_to_be_gone() => Step::Restore,
                (_, Err(fault)) => return Err(fault.hiding(self.value).into()),
            };
        }
        Err(Error::new(ErrorKind::Conflict, "a secret comes and goes while it is written")
            .with("secret", &self.full)
            .hint("see who else writes it, then try again")
            .retryable())
    }

    async fn create(&self) -> Result<Option<Stamp>, Fault> {
        let call = Call { action: "secretsmanager:CreateSecret", on: &self.full };
        let request = self
            .client
            .create_secret()
            .name(&self.full)
            .secret_string(self.value.expose())
            .client_request_token(&self.token)
            .set_kms_key_id(self.kms_key.clone());
        let answer = request.send().await.map_err(|error| fault(call, &error))?;
        Ok(answer.version_id.map(Stamp::new))
    }

    /// The new version; `None` if this very version was made before, and is not the current one any more: AWS then
    /// answers well and does nothing.
    async fn put(&self) -> Result<Option<Stamp>, Fault> {
        let call = Call { action: "secretsmanager:PutSecretValue", on: &self.full };
        let request = self
            .client
            .put_secret_value()
            .secret_id(&self.full)
            .secret_string(self.value.expose())
            .client_request_token(&self.token);
        let answer = request.send().await.map_err(|error| fault(call, &error))?;
        let current = answer.version_stages().iter().any(|stage| stage == CURRENT);
        Ok(answer.version_id.filter(|_| current).map(Stamp::new))
    }

    async fn restore(&self) -> Result<Option<Stamp>, Fault> {
        let call = Call { action: "secretsmanager:RestoreSecret", on: &self.full };
        let request = self.client.restore_secret().secret_id(&self.full);
        request.send().await.map(|_| None).map_err(|error| fault(call, &error))
    }

    fn not_current(&self) -> Error {
        Error::new(ErrorKind::Conflict, "this write was made before, and another one came after it")
            .with("secret", &self.full)
            .with("version", &self.token)
            .hint("look again: a new write needs a token of its own")
    }
}

/// How the secret is there after it was deleted, now or before; `None` if it never was.
async fn delete(client: &Client, full: &str) -> Result<Option<There>> {
    let call = Call { action: "secretsmanager:DeleteSecret", on: full };
    let request = client.delete_secret().secret_id(full).recovery_window_in_days(RECOVERY_DAYS);
    match request.send().await.map_err(|error| fault(call, &error)) {
        Ok(_) => Ok(Some(There::Waiting)),
        Err(fault) if fault.is_waiting_to_be_gone() => Ok(Some(There::Waiting)),
        Err(fault) if fault.is_gone() => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// What Secrets Manager's refusals mean for a secret.
impl Fault {
    /// Whether AWS answered with this code.
    pub(super) fn is(&self, code: &str) -> bool {
        matches!(&self.why, Why::Refused { code: found, .. } if found == code)
    }

    /// Whether the secret was deleted and can still be recovered. AWS has one code for all that is wrong with a
    /// secret's state; only the message tells: `… because it was marked for deletion`, `… already scheduled for
    /// deletion`, `… currently marked deleted`.
    pub(super) fn is_waiting_to_be_gone(&self) -> bool {
        let deleted = |message: &str| message.contains("deletion") || message.contains("marked deleted");
        self.is("InvalidRequestException")
            && matches!(&self.why, Why::Refused { message, .. } if deleted(message))
    }

    /// Whether there is no such secret, for those who do not recover any.
    pub(super) fn is_gone(&self) -> bool {
        self.is("ResourceNotFoundException") || self.is_waiting_to_be_gone()
    }

    /// An error that stands for one item of an answer that is otherwise good.
    pub(super) fn of_item(call: Call<'_>, code: &str, message: &str) -> Self {
        let why = Why::Refused { code: code.to_owned(), message: message.to_owned(), status: 200 };
        Fault::new(call, why)
    }
}
