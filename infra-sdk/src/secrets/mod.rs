//! Secrets: what a repo needs, the `.env` file that holds it, and the stores it is written to.
//!
//! ```no_run
//! # async fn example(settings: infra_sdk::config::Settings, store: infra_sdk::local::LocalSecrets) -> infra_sdk::Result<()> {
//! use infra_sdk::secrets::{self, Dotenv, Needs, SecretSource};
//! let env = "staging".parse()?;
//! let needs = Needs::of(&settings.secrets, &env);
//! let dotenv = Dotenv::load(".".as_ref(), &env)?;
//! let plan = secrets::plan_setup(&needs, dotenv.as_ref(), &store.get_all().await?);
//! let report = plan.apply(dotenv.as_ref(), Default::default(), &store).await?;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```

mod backup;
mod change;
mod check;
mod dotenv;
mod export;
mod fingerprint;
mod form;
mod ignore;
mod init;
mod keep;
mod lint;
mod restore;
mod rotate;
mod scan;
mod setup;
mod spec;
mod status;
mod store;
mod sync;
mod values;

pub use backup::{Backup, BackupReport, BackupValue, open_backup, seal_backup};
pub use change::{SecretChange, WriteReport, Written};
pub use check::{SecretsReport, UnknownSecret, check, check_dotenv, check_listed, check_values};
pub use dotenv::{Dotenv, DotenvWarning, append_to_dotenv, set_in_dotenv, write_dotenv};
pub use export::{ExportFormat, Exported, export};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use form::{MalformedSecret, check_form};
pub use init::{InitPlan, InitStep, plan_init};
pub use keep::{KeyKeeper, Sealer, SecretBytes};
pub use lint::{LintFinding, LintRefusal, LintReport, Reader, Reading, Readings, lint, lint_files};
pub use restore::{RestorePlan, RestoreReport, RestoreTo, plan_restore};
pub use rotate::{
    RotationPlan, RotationReport, RotationState, RotationStep, plan_rotation, previous_of, value_from_output,
};
pub use scan::{Finding, Form, HookPlan, Place, ScanOptions, ScanProgress, ScanReport, plan_hook, scan};
pub use setup::{SetupPlan, SetupReport, plan_setup};
pub use spec::{MissingSecret, Needs};
pub use status::{Due, Known, KnownState, SecretStatus, SecretsStatus, TargetState, TargetStatus, status};
pub use store::{Costs, Listing, Mark, SecretSource, SecretStore, Stamp, Stamps, StoredSecret};
pub use sync::{
    Action, Calls, KnownWrite, PlannedSecret, SyncOptions, SyncPlan, SyncProgress, SyncReport, SyncState,
    SyncTarget, TargetPlan, TargetReport, UnseenTarget, plan_sync,
};
pub use values::{Given, IgnoreReason, IgnoredValue, ValueOrigin, Values, collect};
