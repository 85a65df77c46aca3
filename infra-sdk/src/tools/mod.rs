//! The programs a repo needs: which are there, and fetching those that are not, checked against their digest.

mod check;
mod download;
mod find;
mod install;
mod release;
mod unzip;

pub use check::{Standing, ToolStatus, ToolsReport, check};
pub use find::{Found, find};
pub use install::{InstallPlan, InstallStep, Installed, apply, plan};
pub use release::platform;
pub(crate) use unzip::{names as zip_names, unpack as unzip};
