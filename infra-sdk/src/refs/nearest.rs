//! Finding the parameter that was meant by a path that is not there.

use std::collections::BTreeSet;

use crate::names::{self, ParamPath};
use crate::refs::{Contract, ParameterStore};

/// The existing path, of a parameter or of a tree of them, that is closest to `wanted`.
pub(crate) fn nearest<'a>(
    wanted: &ParamPath,
    known: impl IntoIterator<Item = &'a ParamPath>,
) -> Option<String> {
    let mut paths = BTreeSet::new();
    for path in known.into_iter().filter(|path| Contract::tree_of(path).is_none()) {
        let text = path.as_str();
        paths.insert(text);
        paths.extend(text.match_indices('/').map(|(at, _)| &text[..at]));
    }
    // Where the wanted path would stand is no answer to what it should be called.
    let elsewhere = |path: &&str| !path.is_empty() && !wanted.as_str().starts_with(&format!("{path}/"));
    names::nearest(wanted.as_str(), paths.into_iter().filter(elsewhere)).map(str::to_owned)
}

/// As [`nearest`], among everything the store has. A store that does not tell has no answer:
/// the error that leads here is worth more than the one about the hint.
pub(crate) async fn nearest_in(store: &dyn ParameterStore, wanted: &ParamPath) -> Option<String> {
    nearest(wanted, &store.names().await.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_in_any_level_finds_the_path_that_was_meant() {
        let known: Vec<ParamPath> =
            ["/infrastructure/network/vpc-id", "/infrastructure/database/url", "/shop/url"]
                .iter()
                .map(|path| path.parse().unwrap())
                .collect();
        let meant = |wanted: &str| nearest(&wanted.parse().unwrap(), &known);
        assert_eq!(meant("/infrastructure/netwrok").as_deref(), Some("/infrastructure/network"));
        assert_eq!(meant("/infrastructur/network/vpc-id").as_deref(), Some("/infrastructure/network/vpc-id"));
        assert_eq!(meant("/infrastructure/network/vpcid").as_deref(), Some("/infrastructure/network/vpc-id"));
        assert_eq!(meant("/zzz"), None);
    }
}
