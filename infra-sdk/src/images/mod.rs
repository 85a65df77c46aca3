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

mod build;
mod extract;
mod fetch;
mod files;
mod inside;
mod layer;
mod layout;
pub mod oci;
mod push;
mod registry;
mod unpack;

pub use build::{BuildPlan, BuiltImage, ImageSpec, build, plan};
pub use layout::Layout;
pub use oci::Platform;
pub use push::{PushPlan, PushReport, plan_push, push};
pub use registry::{BlobSource, ImageRegistry, Reference, StoredManifest};
pub use unpack::{ImageInfo, UnpackedImage, inspect, pull};
