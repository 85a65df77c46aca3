//! Parameters that repos publish and read, in Parameter Store of AWS Systems Manager.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ssm::types::{Parameter as Theirs, ParameterType};

use crate::aws::connect::Aws;
use crate::aws::parameters_read as reads;
use crate::aws::parameters_write::Put;
use crate::aws::place::Place;
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::names::ParamPath;
use crate::refs::{Kind, Parameter, ParameterStore, ParameterValue, ParameterWrite};
use crate::retry::Retry;
use crate::secret::SecretValue;
use crate::time::Timestamp;

/// The parameters of one account in one region, in
/// [Parameter Store](https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-parameter-store.html).
///
/// A text is a `String`, a list a `StringList`, a secret a `SecureString`. A list without elements, which a `StringList`
/// cannot be, is a `StringList` that says `,`: that is no list of anything else, since no element may be empty. Others read
/// it as two empty texts, and as nothing with `compact(split(",", …))` in Terraform.
///
/// - The contract of a tree stands beside it: who reads `/infrastructure/network` by its contract may read
///   `parameter/infrastructure/network*`. Without the permission for it, everything below the path is listed instead.
/// - Values are read by name, ten with each request and four requests at a time, and matched by name.
/// - Requests that were throttled are made again after a pause, and reads also after a failure of AWS or of the network.
/// - AWS has no "write only if": a write over what was seen is made and then compared, by the version that AWS gives it. One
///   over nothing is refused by AWS itself. What was overwritten is in the parameter's history.
/// - AWS does not change a parameter's type. One whose kind changes is deleted, and made anew 30 seconds later, which is how
///   long [AWS asks to wait](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html);
///   until then it is missing, and its versions start at 1 again. Before that, it is looked at once more, and what is not as
///   it was planned against is not deleted. What was to be written after it, such as the contract, waits for it.
/// - A value of more than 4,096 bytes is written only over a parameter that is in the advanced tier already: that costs
///   money and cannot be undone.
///
/// It needs the permissions `ssm:GetParameters`, `ssm:GetParametersByPath`, `ssm:PutParameter` and `ssm:DeleteParameters`,
/// for the nearest name of one that is missing, and for the tier of a long value, `ssm:DescribeParameters`; with a KMS key
/// of your own `kms:Encrypt` and `kms:Decrypt`.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, aws::{Aws, SsmParameters}, refs};
/// let aws = Aws::connect(&Env::of_process()?, Some("eu-central-1"))?;
/// let store = SsmParameters::new(aws, None)?;
/// let vpc: String = refs::read(&store, &"/infrastructure/network/vpc-id".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SsmParameters {
    pub(super) aws: Aws,
    pub(super) kms_key: Option<String>,
    pub(super) pause: Duration,
}

/// How long AWS asks to wait before the name of a deleted parameter is used again.
const AFTER_DELETE: Duration = Duration::from_secs(30);

/// Reads share a limit of 40 a second with everything else of the account, writes one of 3: a second or two of patience is
/// not enough where several repos publish at once.
const PATIENCE: Retry =
    Retry { attempts: 8, first: Duration::from_millis(500), factor: 2, max: Duration::from_secs(8) };

impl SsmParameters {
    /// The parameters of the region of `aws`; secrets are encrypted with `kms_key`, or with the account's own key for
    /// parameters. Makes no request.
    ///
    /// # Errors
    /// `Invalid` for a key that AWS would not take, and for a bad `AWS_ENDPOINT_URL`.
    pub fn new(aws: Aws, kms_key: Option<String>) -> Result<Self> {
        let kms_key = Place::new("/", kms_key)?.kms_key;
        aws.endpoint("SSM")?;
        Ok(SsmParameters { aws, kms_key, pause: AFTER_DELETE })
    }

    /// Waits this long between deleting a parameter and making it anew with another kind; default: the 30 seconds that AWS
    /// asks for.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        SsmParameters { pause, ..self }
    }

    /// Makes a request again: one that was throttled with all patience, and one that failed otherwise, if that may go away
    /// by itself, as often as `failures` says.
    pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(
        &self,
        failures: u32,
        ask: impl Fn() -> F,
    ) -> Result<T> {
        // Whoever waits for this drops it when the run is cancelled.
        let never = CancelToken::new();
        let asked = PATIENCE.run(&never, |attempt| {
            let asked = ask();
            async move {
                match asked.await {
                    Err(error) if error.throttle().is_none() && attempt > failures => Ok(Err(error)),
                    asked => asked.map(Ok),
                }
            }
        });
        asked.await?
    }
}

/// Failures of AWS or of the network after which a request that changes nothing, or deletes, is made again.
pub(super) const FAILURES: u32 = 2;

#[async_trait]
impl ParameterStore for SsmParameters {
    async fn get(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Parameter>> {
        let found = reads::by_name(self, paths, true).await?;
        Ok(found.into_iter().map(|parameter| (parameter.path.clone(), parameter)).collect())
    }

    async fn present(&self, paths: &[ParamPath]) -> Result<BTreeMap<ParamPath, Kind>> {
        let found = reads::by_name(self, paths, false).await?;
        Ok(found.into_iter().map(|parameter| (parameter.path, parameter.value.kind())).collect())
    }

    async fn under(&self, path: &ParamPath) -> Result<Vec<Parameter>> {
        reads::under(self, path).await
    }

    async fn names(&self) -> Result<Vec<ParamPath>> {
        reads::names(self).await
    }

    fn kind_change(&self) -> Duration {
        self.pause
    }

    async fn check(&self, writes: &[ParameterWrite]) -> Result<()> {
        Put::plan(self, writes).await.map(drop)
    }

    async fn put(&self, writes: &[ParameterWrite]) -> Result<Vec<u64>> {
        Put::plan(self, writes).await?.make().await
    }

    async fn delete(&self, paths: &[ParamPath]) -> Result<usize> {
        if paths.is_empty() {
            return Ok(0);
        }
        self.aws.before_write().await?;
        self.remove(paths).await
    }
}

/// A parameter of AWS as one of ours; `None` for one whose name cannot be a path here.
pub(super) fn ours(theirs: Theirs) -> Option<Parameter> {
    let (path, text) = (ParamPath::new(theirs.name?).ok()?, theirs.value?);
    let value = match theirs.r#type? {
        ParameterType::SecureString => ParameterValue::Secret(SecretValue::new(text)),
        ParameterType::StringList if text == NO_ELEMENTS => ParameterValue::List(Vec::new()),
        ParameterType::StringList => ParameterValue::List(text.split(',').map(str::to_owned).collect()),
        _ => ParameterValue::Plain(text),
    };
    let modified = theirs.last_modified_date.and_then(|time| std::time::SystemTime::try_from(time).ok());
    Some(Parameter {
        path,
        value,
        version: u64::try_from(theirs.version).unwrap_or(0),
        modified: modified.map_or_else(|| Timestamp::from(std::time::UNIX_EPOCH), Timestamp::from),
    })
}

/// What a list without elements is written as.
const NO_ELEMENTS: &str = ",";

/// A value as AWS keeps it: its type, and its text.
pub(super) fn theirs(value: &ParameterValue) -> (ParameterType, String) {
    match value {
        ParameterValue::Plain(text) => (ParameterType::String, text.clone()),
        ParameterValue::List(items) if items.is_empty() => (ParameterType::StringList, NO_ELEMENTS.into()),
        ParameterValue::List(items) => (ParameterType::StringList, items.join(",")),
        ParameterValue::Secret(secret) => (ParameterType::SecureString, secret.expose().to_owned()),
    }
}
