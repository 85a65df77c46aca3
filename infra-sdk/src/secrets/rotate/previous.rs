//! The name under which the old value of a rotated secret is given out.

use crate::config::PREVIOUS;
use crate::error::{Error, Result};
use crate::names::SecretName;
use crate::secrets::spec::Needs;

/// The name under which the old value of `name` is given out during a rotation: `NAME_PREVIOUS`.
///
/// ```
/// # fn main() -> infra_sdk::Result<()> {
/// use infra_sdk::secrets::{Needs, previous_of};
/// let declared = [("API_KEY".parse()?, infra_sdk::config::SecretSpec::default())].into();
/// let needs = Needs::of(&declared, &"staging".parse()?);
/// assert_eq!(previous_of(&needs, &"API_KEY".parse()?)?.as_str(), "API_KEY_PREVIOUS");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` when that name would be too long, or when infra.toml declares it as a secret of its own, in whatever case:
/// some stores know no case.
pub fn previous_of(needs: &Needs, name: &SecretName) -> Result<SecretName> {
    let previous = SecretName::new(format!("{name}{PREVIOUS}")).map_err(|error| {
        Error::invalid("a secret's name is too long to be rotated")
            .with("secret", name)
            .because(error)
            .hint(format!("give it a name that leaves room for `{PREVIOUS}`"))
    })?;
    match needs.declared().find(|declared| declared.as_str().eq_ignore_ascii_case(previous.as_str())) {
        None => Ok(previous),
        Some(declared) => Err(Error::invalid("the name of the old value is a secret of its own")
            .with("secret", name)
            .with("declared", declared)
            .hint(format!("rename `[secrets.{declared}]` in infra.toml, then rotate again"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::EnvName;

    #[test]
    fn a_name_that_is_taken_or_too_long_has_no_old_value() {
        let name = |text: &str| SecretName::new(text).unwrap();
        let declared = ["A", "a_previous", "B"].map(|n| (name(n), Default::default()));
        let needs = Needs::of(&declared.into(), &EnvName::local());
        assert_eq!(previous_of(&needs, &name("B")).unwrap(), name("B_PREVIOUS"));
        let error = previous_of(&needs, &name("A")).unwrap_err();
        assert!(error.to_string().contains("declared: a_previous"), "{error}");
        assert!(error.hints()[0].contains("[secrets.a_previous]"));
        assert!(previous_of(&needs, &name(&"L".repeat(119))).is_ok());
        assert!(previous_of(&needs, &name(&"L".repeat(120))).unwrap_err().to_string().contains("too long"));
    }
}
