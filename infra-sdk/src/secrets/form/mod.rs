//! Whether a value has the form its declaration promises.

mod check;
mod pem;
mod report;
mod text;
mod url;

pub use check::check_form;
pub use report::MalformedSecret;

pub(super) use report::{malformed, malformed_error};
