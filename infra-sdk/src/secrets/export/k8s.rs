//! A Kubernetes manifest of one `Secret`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::names::{RepoName, SecretName};
use crate::secret::SecretValue;

/// What the values of one Secret may have in all
/// ([Kubernetes](https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size)).
const LARGEST: usize = 1 << 20;

/// The manifest as YAML.
pub(super) fn manifest(
    values: &BTreeMap<SecretName, SecretValue>,
    project: &RepoName,
) -> Result<SecretValue> {
    let size: usize = values.values().map(|value| value.expose().len()).sum();
    if size > LARGEST {
        return Err(Error::invalid("the values are more than one Kubernetes Secret takes")
            .with("bytes", size)
            .with("at most", LARGEST)
            .hint("keep large files elsewhere, such as in a volume"));
    }
    let name = dns_label(project);
    let mut text =
        format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{name}\"\ntype: Opaque\ndata:");
    if values.is_empty() {
        text.push_str(" {}");
    }
    for (name, value) in values {
        // Quoted on both sides: YAML takes a bare `NO` for a boolean.
        text.push_str(&format!("\n  \"{name}\": \"{}\"", STANDARD.encode(value.expose())));
    }
    text.push('\n');
    Ok(SecretValue::new(text))
}

/// A name of at most 63 of `a-z 0-9 -`, which every kind of object can have
/// ([Kubernetes](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names)).
fn dns_label(project: &RepoName) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    // A project starts with a letter or a digit and has at most 63 characters; it may end with `_`.
    project.as_str().chars().map(plain).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::export::ExportFormat;
    use crate::secrets::export::format::tests::{exported, read_by_python, wanted};

    #[tokio::test]
    async fn the_manifest_is_read_back_by_a_yaml_parser() {
        let program = "import base64,json,sys,yaml; m=yaml.safe_load(sys.stdin.buffer); \
                       assert m['metadata'] == {'name': 'shop-api-v2'}, m['metadata']; \
                       assert (m['apiVersion'],m['kind'],m['type']) == ('v1','Secret','Opaque'); \
                       print(json.dumps({k: base64.b64decode(v, validate=True).decode() for k, v in m['data'].items()}))";
        assert_eq!(read_by_python(program, &exported(ExportFormat::K8s).text).await, wanted());
    }

    #[test]
    fn a_name_that_kubernetes_refuses_is_made_valid_and_too_much_is_refused() {
        let label = |name: &str| dns_label(&name.parse().unwrap());
        assert_eq!((label("a.b_c"), label("x__"), label("0")), ("a-b-c".into(), "x".into(), "0".into()));
        let project: RepoName = "x".parse().unwrap();
        assert!(manifest(&BTreeMap::new(), &project).unwrap().expose().ends_with("data: {}\n"));
        let large = [("A".parse().unwrap(), SecretValue::new("x".repeat(LARGEST + 1)))].into();
        assert!(manifest(&large, &project).unwrap_err().to_string().contains("1048577"));
    }
}
