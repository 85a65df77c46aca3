//! The local provider: every port on plain files and processes of this machine, without an account.

mod deploy;

pub use deploy::{ImageSource, LocalDeploy, UnpackedImage, supervise_if_asked};
