//! Random ids and bytes from the system.

use crate::error::{Error, ErrorKind, Result};

/// Fills an array from the system's source of randomness.
///
/// # Errors
/// `Unavailable` when the system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "read random bytes from the system").because(error.to_string())
    })?;
    Ok(bytes)
}

/// An id of 32 hexadecimal digits, unique everywhere.
///
/// # Errors
/// As [`random`].
pub fn unique() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

/// An id of 12 hexadecimal digits, unique on one machine.
///
/// # Errors
/// As [`random`].
pub fn short() -> Result<String> {
    Ok(hex(&random::<6>()?))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
