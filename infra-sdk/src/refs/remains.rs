//! What can still be told of a contract that cannot be read, so that a publication over it loses nothing.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::names::ParamPath;
use crate::refs::Contract;

/// The readable rest of a contract whose parts do not fit together, or that says what none may say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// The highest version that a part names; 0 where none does.
    pub(crate) version: u64,
    /// The repo that published it.
    pub(crate) repo: Option<String>,
    /// Where the fields stand that its parts name.
    pub(crate) fields: BTreeSet<ParamPath>,
}

impl Remains {
    /// What the parts of the contract of the tree at `root` still say.
    ///
    /// # Errors
    /// `Invalid` when one is of a format this version does not know: whoever wrote it knows what it promises.
    pub(crate) fn of<'a>(root: &ParamPath, texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut remains = Remains::default();
        for text in texts {
            let Ok(Json::Object(part)) = serde_json::from_str(text) else { continue };
            if part.get("format").is_some_and(|format| *format != Contract::FORMAT) {
                return Err(Error::invalid(format!(
                    "the contract of `{root}` is of a format this version does not know"
                ))
                .hint("publish with the version of infra-sdk that wrote it, or a newer one"));
            }
            let version = part.get("version").and_then(Json::as_u64).unwrap_or(0);
            remains.version = remains.version.max(version);
            let repo = part.get("repo").and_then(Json::as_str).filter(|repo| Contract::is_repo(repo));
            remains.repo = remains.repo.or(repo.map(str::to_owned));
            let names = part.get("fields").and_then(Json::as_object).into_iter().flat_map(|all| all.keys());
            remains.fields.extend(names.filter_map(|name| Contract::field_path(root, name)));
        }
        Ok(remains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_torn_contract_still_says_is_told_and_nothing_else() {
        let root: ParamPath = "/infrastructure/network".parse().unwrap();
        let head = r#"{"format":1,"version":3,"repo":"acme/infrastructure","parts":3,"fields":{"a":"text","b/../c":"text"}}"#;
        let part = r#"{"format":1,"version":4,"fields":{"b/c":"a type of later","x.contract":"text"}}"#;
        let told = Remains::of(&root, [head, part, "canary", "{\"version\":\"9\"}", "[]"]).unwrap();
        let fields = ["a", "b/c"].map(|name| root.join(name).unwrap()).into();
        assert_eq!(told, Remains { version: 4, repo: Some("acme/infrastructure".into()), fields });
        let foreign = Remains::of(&root, [r#"{"format":1,"version":1,"repo":"x\n/y","fields":{}}"#]).unwrap();
        assert_eq!(foreign.repo, None);
        assert_eq!(Remains::of(&root, [""]).unwrap(), Remains::default());
    }

    #[test]
    fn a_format_of_later_is_left_to_who_knows_it() {
        let root: ParamPath = "/infrastructure/network".parse().unwrap();
        for later in [r#"{"format":2}"#, r#"{"format":"two","version":1}"#] {
            let error = Remains::of(&root, [later]).unwrap_err();
            assert!(error.hints()[0].contains("the version of infra-sdk that wrote it"), "{error:?}");
        }
    }
}
