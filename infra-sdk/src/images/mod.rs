//! Container images without a daemon: built from a folder, pushed, pulled and unpacked, by digest.
//!
//! ```no_run
//! # async fn example(registry: &dyn infra_sdk::images::ImageRegistry) -> infra_sdk::Result<()> {
//! use infra_sdk::images::{self, ImageSpec};
//! let spec = ImageSpec::new("shop-api/app".parse()?, "dist", ["server"]).version("1.4.0");
//! let image = images::build(&spec, "target/images/app".as_ref()).await?;
//! images::push(registry, &image, &["1.4.0".parse()?]).await?;
//! println!("{}", image.digest());
//! # Ok(())
//! # }
//! ```

mod archive;
mod build;
mod built;
mod copy;
mod dockerfile;
mod engine;
mod extract;
mod fetch;
mod files;
mod findings;
mod index;
mod inside;
mod layer;
mod layout;
pub mod oci;
mod push;
mod registry;
mod repository;
mod scan;
mod spec;
mod together;
mod told;
mod transfer;
mod unpack;

pub use build::{BuildPlan, build, plan};
pub use built::{BuiltImage, PlatformImage};
pub use copy::{CopyPlan, CopyReport, copy, plan_copy};
pub use dockerfile::{DockerfilePlan, DockerfileSpec, plan_dockerfile};
pub use engine::{Command, Engine};
pub use findings::{Finding, Findings, ScanReport, Severity};
pub use index::{IndexPlan, build_all, plan_index};
pub use layout::Layout;
pub use oci::Platform;
pub use push::{PushPlan, PushReport, plan_push, push};
pub use registry::{BlobSource, ImageRegistry, OnRead, Reference, StoredManifest};
pub use repository::{Repositories, RepositoriesReport, RepositoryChange, RepositoryPlan, RepositorySpec};
pub use scan::{ImageScanner, ScanStart, ScanState, ScanWait, scan};
pub use spec::ImageSpec;
pub use transfer::{Progress, TransferOptions};
pub use unpack::{ImageInfo, UnpackedImage, inspect, inspect_for, platforms, pull, pull_for};
