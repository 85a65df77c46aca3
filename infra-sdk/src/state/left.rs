//! Whether a state is the one that was left where it lies: it may be gone, damaged, another one, or older.

use serde::Deserialize;

use crate::error::{Error, Result};

/// What tells one writing of a state from others, whatever its format.
#[derive(Debug, Deserialize)]
struct Writing {
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    lineage: String,
}

/// What is wrong with a state.
#[derive(Debug)]
pub(crate) enum Astray {
    /// There is none, although one was left.
    Gone,
    /// It cannot be read.
    Damaged(Error),
    /// It has another history than its copy.
    Other,
    /// It was written before its copy was made.
    Older,
}

/// Whether there is nothing that Terraform would take for a state.
pub(crate) fn is_blank(state: &[u8]) -> bool {
    state.iter().all(u8::is_ascii_whitespace)
}

/// Serial and lineage of a state; `None` for a blank one, and for what is no state.
pub(crate) fn history(state: Option<&[u8]>) -> Option<(u64, String)> {
    let written = writing(state.filter(|state| !is_blank(state))?).ok()?;
    Some((written.serial, written.lineage))
}

/// Whether bytes are a whole state, as far as its history can be told.
pub(crate) fn is_whole(state: &[u8]) -> bool {
    writing(state).is_ok()
}

/// What is wrong with the state that lies there, held against its newest whole copy.
///
/// A state without a lineage, as tools write it that are not Terraform, is held against nothing.
pub(crate) fn astray(present: Option<&[u8]>, copy: Option<&[u8]>) -> Option<Astray> {
    let copy = copy.and_then(|copy| writing(copy).ok());
    let present = match present.filter(|state| !is_blank(state)).map(writing) {
        Some(Ok(present)) => present,
        Some(Err(error)) => return Some(Astray::Damaged(error)),
        None => return copy.map(|_| Astray::Gone),
    };
    let copy = copy.filter(|copy| !copy.lineage.is_empty() && !present.lineage.is_empty())?;
    if copy.lineage != present.lineage {
        return Some(Astray::Other);
    }
    (present.serial < copy.serial).then_some(Astray::Older)
}

/// Nothing of the state stands in the error.
fn writing(state: &[u8]) -> Result<Writing> {
    serde_json::from_slice(state).map_err(|error| {
        let what = if error.is_eof() { "it is cut off" } else { "it can not be read" };
        Error::invalid(what).with("line", error.line()).with("column", error.column())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: &[u8] = br#"{"version": 4, "serial": 7, "lineage": "a"}"#;

    #[test]
    fn what_goes_on_from_its_copy_is_right_and_so_is_what_has_none() {
        let later = br#"{"version": 4, "serial": 9, "lineage": "a", "resources": []}"#;
        for (present, copy) in [
            (None, None),
            (Some(COPY), None),
            (Some(COPY), Some(COPY)),
            (Some(&later[..]), Some(COPY)),
            // Written by hand, or by another tool.
            (Some(&b"{}"[..]), Some(COPY)),
            (Some(COPY), Some(&b"{}"[..])),
            // A copy that is damaged itself proves nothing.
            (None, Some(&b"{\"serial\""[..])),
        ] {
            assert!(astray(present, copy).is_none(), "{present:?} {copy:?}");
        }
    }

    #[test]
    fn what_is_gone_damaged_another_one_or_older_is_told_apart() {
        assert!(matches!(astray(None, Some(COPY)), Some(Astray::Gone)));
        for blank in [&b""[..], b" \n"] {
            assert!(matches!(astray(Some(blank), Some(COPY)), Some(Astray::Gone)));
            assert!(astray(Some(blank), None).is_none(), "Terraform takes it for none");
        }
        let Some(Astray::Damaged(error)) = astray(Some(&COPY[..20]), None) else { panic!("it is cut off") };
        assert_eq!(error.to_string(), "it is cut off (line: 1, column: 20)");
        let other = br#"{"version": 4, "serial": 7, "lineage": "b"}"#;
        assert!(matches!(astray(Some(other), Some(COPY)), Some(Astray::Other)));
        let older = br#"{"version": 4, "serial": 6, "lineage": "a"}"#;
        assert!(matches!(astray(Some(older), Some(COPY)), Some(Astray::Older)));
    }
}
