//! Filling in templates: `{{name}}` becomes its value, and everything else stays as it is.

use crate::error::{Error, ErrorKind, Result};

/// The text with every name between double braces filled in.
///
/// # Errors
/// `Bug` when the text holds a name without a value: templates are part of this crate.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        text.push_str(before);
        let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        let value = values.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            Error::new(ErrorKind::Bug, format!("a template names `{name}`, which has no value"))
                .hint("please report this")
        })?;
        text.push_str(value.1);
        rest = behind;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once_and_other_braces_stay() {
        let values = [("a", "{{b}}"), ("b", "2")];
        assert_eq!(fill("${x} {{a}}-{{b}} { }", &values).unwrap(), "${x} {{b}}-2 { }");
        assert_eq!(fill("{{c}}", &values).unwrap_err().kind(), ErrorKind::Bug);
    }
}
