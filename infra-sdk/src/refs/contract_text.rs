//! How a contract is kept: as JSON, in as many parameters as it needs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::ParamPath;
use crate::refs::contract::{is_commit, part_path};
use crate::refs::{Contract, FieldType};

/// Bytes of a standard parameter of AWS.
const PART: usize = 4_096;

/// One parameter's worth of a contract.
#[derive(Serialize, Deserialize)]
struct Part {
    format: u32,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
    fields: BTreeMap<String, FieldType>,
}

impl Contract {
    /// The parameters it is kept in, the first of them last: it makes the others count.
    pub(crate) fn parameters(&self, root: &ParamPath) -> Result<Vec<(ParamPath, String)>> {
        let Contract { version, repo, commit, fields } = self;
        let part = |parts: Option<usize>, fields| {
            let (repo, commit) = (repo.clone(), commit.clone());
            Part { format: Self::FORMAT, version: *version, repo, commit, parts, fields }
        };
        let text = |part: &Part| serde_json::to_string(part).unwrap_or_default();
        // Room for the longest head, so that each part fits whatever its place.
        let room = PART.saturating_sub(text(&part(Some(9_999), BTreeMap::new())).len());
        let mut parts: Vec<BTreeMap<String, FieldType>> = vec![BTreeMap::new()];
        let mut used = 0;
        for (name, kind) in fields {
            let length = name.len() + kind.word().len() + "\"\":\"\",".len();
            if used + length > room {
                parts.push(BTreeMap::new());
                used = 0;
            }
            used += length;
            if let Some(last) = parts.last_mut() {
                last.insert(name.clone(), *kind);
            }
        }
        let count = (parts.len() > 1).then_some(parts.len());
        let mut texts = Vec::new();
        for (at, fields) in parts.into_iter().enumerate().rev() {
            let part = match at {
                0 => part(count, fields),
                _ => Part { repo: None, commit: None, ..part(None, fields) },
            };
            texts.push((part_path(root, at + 1)?, text(&part)));
        }
        Ok(texts)
    }

    /// The paths of the parts beside the first, as the first says.
    ///
    /// # Errors
    /// `Invalid` when this is no first part.
    pub(crate) fn other_parts(root: &ParamPath, head: &str) -> Result<Vec<ParamPath>> {
        let parts = read_part(head)?.parts.unwrap_or(1);
        // A number of parts that nobody wrote would ask for as many parameters.
        if parts > 1_000 {
            return Err(unreadable("it says that it has more than 1000 parts"));
        }
        (2..=parts).map(|number| part_path(root, number)).collect()
    }

    /// Reads the contract of the tree at `root` from the texts of its parts, the first one first.
    ///
    /// Another repo wrote it, and what it says goes into terminals and Terraform code: it may say nothing that
    /// [`Publisher::new`] and a published value could not.
    ///
    /// # Errors
    /// `Invalid` when it is of a format this version does not know, is not whole, names what cannot be a repo, a commit or
    /// a field, or is none at all.
    pub(crate) fn read<'a>(root: &ParamPath, texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut texts = texts.into_iter();
        let head = read_part(texts.next().unwrap_or_default())?;
        let (mut fields, mut found) = (head.fields, 1);
        for text in texts {
            let part = read_part(text)?;
            if part.version != head.version {
                return Err(unreadable("its parts are of different versions"));
            }
            fields.extend(part.fields);
            found += 1;
        }
        if found != head.parts.unwrap_or(1) {
            return Err(unreadable("a part of it is missing"));
        }
        if head.repo.as_deref().is_some_and(|repo| !Contract::is_repo(repo)) {
            return Err(unreadable("what it names as the repo that publishes cannot be one"));
        }
        if head.commit.as_deref().is_some_and(|commit| !is_commit(commit)) {
            return Err(unreadable("what it names as a commit cannot be one"));
        }
        if fields.keys().any(|name| Contract::field_path(root, name).is_none()) {
            return Err(unreadable("it has a field that cannot be a parameter"));
        }
        Ok(Contract { version: head.version, repo: head.repo, commit: head.commit, fields })
    }
}

fn read_part(text: &str) -> Result<Part> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_str(text).map_err(|_| unreadable("it is no such document"))?;
    if format != Contract::FORMAT {
        return Err(Error::invalid(format!(
            "a contract is of format {format}, this version reads {}",
            Contract::FORMAT
        ))
        .hint("use the version of infra-sdk that wrote it, or a newer one"));
    }
    // Not the reader's own message: it quotes what stands there.
    serde_json::from_str(text).map_err(|_| unreadable("it has other entries than a contract has"))
}

fn unreadable(why: &'static str) -> Error {
    Error::invalid("a contract cannot be read")
        .because(why)
        .hint("run `cargo xtask infra:refs:publish` in the repo that exports it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(fields: usize) -> Contract {
        Contract {
            version: 3,
            repo: Some("acme/infrastructure".into()),
            commit: Some("4".repeat(40)),
            fields: (0..fields).map(|at| (format!("zones/{at}/cidr-block"), FieldType::Texts)).collect(),
        }
    }

    fn read(texts: Vec<&str>) -> Result<Contract> {
        Contract::read(&root(), texts)
    }

    fn root() -> ParamPath {
        "/infrastructure/network".parse().unwrap()
    }

    #[test]
    fn a_contract_reads_back_and_each_part_fits_a_standard_parameter() {
        for fields in [0, 1, 100, 1_000] {
            let contract = contract(fields);
            let mut parts = contract.parameters(&root()).unwrap();
            parts.reverse();
            assert!(parts.iter().all(|(_, text)| text.len() <= PART && !text.contains("{{")));
            assert_eq!(parts.len() > 1, fields == 1_000, "{fields} fields in {} parts", parts.len());
            let others: Vec<ParamPath> = parts[1..].iter().map(|(path, _)| path.clone()).collect();
            assert_eq!(Contract::other_parts(&root(), &parts[0].1).unwrap(), others);
            assert!(parts.iter().all(|(path, _)| Contract::tree_of(path) == Some(root())));
            let texts = parts.iter().map(|(_, text)| text.as_str());
            assert_eq!(Contract::read(&root(), texts).unwrap(), contract);
        }
    }

    #[test]
    fn what_is_torn_foreign_or_of_another_time_is_no_contract() {
        let texts = |contract: &Contract| -> Vec<String> {
            contract.parameters(&root()).unwrap().into_iter().rev().map(|(_, text)| text).collect()
        };
        let (now, next) = (texts(&contract(1_000)), texts(&Contract { version: 4, ..contract(1_000) }));
        let torn = [next[0].as_str()].into_iter().chain(now[1..].iter().map(String::as_str));
        let short = now[..now.len() - 1].iter().map(String::as_str).collect::<Vec<_>>();
        for error in [
            read(torn.collect()).unwrap_err(),
            read(short).unwrap_err(),
            read(vec!["canary"]).unwrap_err(),
            read(vec!["{\"format\":2}"]).unwrap_err(),
            read(vec!["{\"format\":1,\"version\":1,\"fields\":{\"a\":\"canary\"}}"]).unwrap_err(),
            Contract::other_parts(&root(), "{\"format\":1,\"version\":1,\"parts\":99999,\"fields\":{}}")
                .unwrap_err(),
        ] {
            assert!(!error.hints().is_empty() && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn what_no_publisher_writes_is_not_taken_from_a_contract_nor_shown() {
        let good = contract(1);
        let deep = "a/".repeat(20) + "canary";
        let field = |name: &str| Contract {
            fields: BTreeMap::from([(name.to_owned(), FieldType::Text)]),
            ..good.clone()
        };
        let repo = |repo: &str| Contract { repo: Some(repo.into()), ..good.clone() };
        let commit = |commit: &str| Contract { commit: Some(commit.into()), ..good.clone() };
        for bad in [
            repo("acme/shop\n}\nresource \"canary\" {"),
            repo("canary"),
            repo("acme/shop/canary"),
            repo("acme/\u{1b}[2Jcanary"),
            commit("canary\n}"),
            commit("\u{1b}]0;canary"),
            commit(&"a".repeat(81)),
            field("../canary"),
            field("a//canary"),
            field("canary\"\n"),
            field("canary.contract"),
            field(&deep),
        ] {
            let parts = bad.parameters(&root()).unwrap();
            let error = read(parts.iter().map(|(_, text)| text.as_str()).collect()).unwrap_err();
            assert!(!error.hints().is_empty() && !format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert!(
            read(vec![&field("").parameters(&root()).unwrap()[0].1]).is_ok(),
            "a value at the path itself"
        );
    }
}
