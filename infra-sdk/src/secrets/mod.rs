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
mod rotate;
mod scan;
mod setup;
mod spec;
mod status;
mod store;
mod sync;

pub use change::{SecretChange, WriteReport, Written};
pub use check::{SecretsReport, UnknownSecret, check, check_dotenv, check_listed};
pub use dotenv::{Dotenv, DotenvWarning, append_to_dotenv, set_in_dotenv, write_dotenv};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use form::{MalformedSecret, check_form};
pub use init::{InitPlan, InitStep, plan_init};
pub use keep::{KeyKeeper, Sealer, SecretBytes};
pub use lint::{LintFinding, LintRefusal, LintReport, Reader, Reading, Readings, lint, lint_files};
pub use setup::{SetupPlan, SetupReport, plan_setup};
pub use spec::{MissingSecret, Needs};
pub use store::{Costs, Listing, Mark, SecretSource, SecretStore, Stamp, Stamps, StoredSecret};
