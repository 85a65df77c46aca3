//! What stands at and below paths: by the names that contracts list, else by looking at everything there.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::refs::{Contract, FieldType, Parameter, ParameterStore, ParameterValue};

/// A contract as it stands in a store, whether it can be read or not.
pub(crate) struct Standing {
    pub(crate) root: ParamPath,
    pub(crate) contract: Result<Contract>,
    /// The parameters it is kept in, as they were found; those beside the first only if that can be read.
    pub(crate) parts: BTreeMap<ParamPath, Parameter>,
}

/// The contracts of trees, by their roots.
pub(crate) struct Contracts(BTreeMap<ParamPath, Standing>);

/// What stands at one path.
pub(crate) struct Found {
    /// In the order of their paths.
    pub(crate) parameters: Vec<Parameter>,
    /// Whether a contract said what to look for; else everything was looked at.
    pub(crate) by_contract: bool,
}

/// The path and those above it: where the tree that it is a part of may start.
fn roots(path: &ParamPath) -> impl Iterator<Item = ParamPath> {
    let text = path.as_str();
    let ends = text.match_indices('/').map(|(at, _)| at).skip(1).chain([text.len()]);
    let roots: Vec<ParamPath> = ends.filter_map(|end| ParamPath::new(&text[..end]).ok()).collect();
    roots.into_iter().rev()
}

/// Where the contracts of these trees would stand, by the trees' roots.
fn heads(roots: impl IntoIterator<Item = ParamPath>) -> BTreeMap<ParamPath, ParamPath> {
    // A path that is too long for a contract has none.
    roots.into_iter().filter_map(|root| Contract::path(&root).ok().map(|head| (root, head))).collect()
}

impl Contracts {
    /// Looks for the contracts of all trees that these paths are; of those that are none, for the trees they are part of.
    /// Most are trees, and who may read one may not always read what is promised above it.
    pub(crate) async fn around<'a>(
        store: &dyn ParameterStore,
        paths: impl IntoIterator<Item = &'a ParamPath>,
    ) -> Result<Self> {
        let paths: Vec<&ParamPath> = paths.into_iter().collect();
        let own = heads(paths.iter().map(|path| (*path).clone()));
        let mut all = Self::among(store, &own, &allowed(store, own.values()).await?).await?;
        let parts = paths.into_iter().filter(|path| !all.0.contains_key(*path));
        let above =
            heads(parts.flat_map(|path| roots(path).skip(1)).filter(|root| !all.0.contains_key(root)));
        let above = Self::among(store, &above, &allowed(store, above.values()).await?).await?;
        all.0.extend(above.0);
        Ok(all)
    }

    /// Reads the contracts whose first parts are among `found`; asks for their other parts.
    pub(crate) async fn among(
        store: &dyn ParameterStore,
        heads: &BTreeMap<ParamPath, ParamPath>,
        found: &BTreeMap<ParamPath, Parameter>,
    ) -> Result<Self> {
        let mut more = Vec::new();
        let mut firsts = Vec::new();
        for (root, at) in heads {
            let Some(head) = found.get(at) else { continue };
            let others = Contract::other_parts(root, text(head)).unwrap_or_default();
            more.extend(others.iter().cloned());
            firsts.push((root, head, others));
        }
        let more = if more.is_empty() { BTreeMap::new() } else { store.get(&more).await? };
        let standing = firsts.into_iter().map(|(root, head, others)| {
            let others: Vec<&Parameter> = others.iter().filter_map(|path| more.get(path)).collect();
            let parts = [head].into_iter().chain(others);
            let contract = Contract::read(root, parts.clone().map(text));
            let parts = parts.map(|part| (part.path.clone(), part.clone())).collect();
            (root.clone(), Standing { root: root.clone(), contract, parts })
        });
        Ok(Contracts(standing.collect()))
    }

    /// Refuses a tree whose own contract, or the nearest above it, cannot be read: what it promises is not known then.
    ///
    /// # Errors
    /// `Invalid`, naming the tree.
    pub(crate) fn require_readable(&self, path: &ParamPath) -> Result<()> {
        let Some(Standing { root, contract: Err(error), .. }) =
            roots(path).find_map(|root| self.0.get(&root))
        else {
            return Ok(());
        };
        let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
        let told = Error::new(error.kind(), format!("what is promised at `{root}` is not known"));
        let told = told.because(format!("{error}{why}"));
        Err(error.hints().iter().fold(told, |told, hint| told.hint(hint.clone())))
    }

    /// What the contract of the nearest tree promises at and below a path.
    pub(crate) fn of(&self, path: &ParamPath) -> Result<Option<(&Contract, BTreeMap<ParamPath, FieldType>)>> {
        for root in roots(path) {
            if let Some(Standing { contract: Ok(contract), .. }) = self.0.get(&root) {
                let fields = contract.at(&root, path)?;
                if !fields.is_empty() {
                    return Ok(Some((contract, fields)));
                }
            }
        }
        Ok(None)
    }

    /// The contract of exactly this tree.
    pub(crate) fn take(mut self, root: &ParamPath) -> Option<Standing> {
        self.0.remove(root)
    }
}

/// What a parameter says where a contract is looked for; nothing readable if it holds something else.
pub(crate) fn text(parameter: &Parameter) -> &str {
    match &parameter.value {
        ParameterValue::Plain(text) => text,
        ParameterValue::List(_) | ParameterValue::Secret(_) => "",
    }
}

/// The parameters at these paths, without those that the caller may not read: who may read values and no contract does
/// without it.
async fn allowed<'a>(
    store: &dyn ParameterStore,
    paths: impl Iterator<Item = &'a ParamPath>,
) -> Result<BTreeMap<ParamPath, Parameter>> {
    let paths: Vec<ParamPath> = paths.cloned().collect();
    match store.get(&paths).await {
        Err(error) if error.kind() == ErrorKind::Denied && paths.len() > 1 => {}
        Err(error) if error.kind() == ErrorKind::Denied => return Ok(BTreeMap::new()),
        found => return found,
    }
    let mut found = BTreeMap::new();
    for path in paths {
        match store.get(std::slice::from_ref(&path)).await {
            Err(error) if error.kind() == ErrorKind::Denied => {}
            one => found.extend(one?),
        }
    }
    Ok(found)
}

/// Everything at and below a path: one read for its own contract and, where there is one, one for the values.
pub(crate) async fn tree(store: &dyn ParameterStore, path: &ParamPath) -> Result<Found> {
    let heads = heads([path.clone()]);
    let names: Vec<ParamPath> = heads.values().chain([path]).cloned().collect();
    let (mut found, mut denied) = (BTreeMap::new(), None);
    match store.get(&names).await {
        Err(error) if error.kind() == ErrorKind::Denied => {
            found = allowed(store, heads.values()).await?;
            match store.get(std::slice::from_ref(path)).await {
                Err(error) if error.kind() == ErrorKind::Denied => denied = Some(error),
                own => found.extend(own?),
            }
        }
        got => found.extend(got?),
    }
    let contracts = Contracts::among(store, &heads, &found).await?;
    if let Some((_, fields)) = contracts.of(path)? {
        let wanted: Vec<ParamPath> = fields.keys().filter(|field| *field != path).cloned().collect();
        let own = found.remove(path).filter(|_| fields.contains_key(path));
        let mut parameters: Vec<Parameter> = own.into_iter().collect();
        parameters.extend(store.get(&wanted).await?.into_values());
        return Ok(Found { parameters, by_contract: true });
    }
    let mut parameters: Vec<Parameter> = found.remove(path).into_iter().collect();
    match below(store, path).await {
        // A value that may be read alone needs no look around it.
        Err(error) if error.kind() == ErrorKind::Denied && !parameters.is_empty() => {}
        below => parameters.extend(below?),
    }
    // What stands there and may not be read is not missing.
    if let Some(denied) = denied.filter(|_| parameters.is_empty()) {
        return Err(denied);
    }
    Ok(Found { parameters, by_contract: false })
}

/// What a contract promises at and below one path.
pub(crate) struct Promised {
    pub(crate) contract: Contract,
    pub(crate) fields: BTreeMap<ParamPath, FieldType>,
}

/// For each of the paths that a contract is about, what it names there.
///
/// # Errors
/// As [`Contracts::require_readable`]; what the store fails with.
pub(crate) async fn promised<'a>(
    store: &dyn ParameterStore,
    paths: impl IntoIterator<Item = &'a ParamPath>,
) -> Result<BTreeMap<&'a ParamPath, Promised>> {
    let paths: Vec<&ParamPath> = paths.into_iter().collect();
    let contracts = Contracts::around(store, paths.iter().copied()).await?;
    let mut promised = BTreeMap::new();
    for path in paths {
        contracts.require_readable(path)?;
        if let Some((contract, fields)) = contracts.of(path)? {
            promised.insert(path, Promised { contract: contract.clone(), fields });
        }
    }
    Ok(promised)
}

/// All parameters below a path, without the contracts among them.
pub(crate) async fn below(store: &dyn ParameterStore, path: &ParamPath) -> Result<Vec<Parameter>> {
    let mut parameters = store.under(path).await?;
    parameters.retain(|parameter| Contract::tree_of(&parameter.path).is_none());
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_a_part_of_every_tree_above_it() {
        let shown: Vec<String> = roots(&"/a/b/c".parse().unwrap()).map(|root| root.to_string()).collect();
        assert_eq!(shown, ["/a/b/c", "/a/b", "/a"]);
        assert_eq!(roots(&"/a".parse().unwrap()).count(), 1);
    }
}
