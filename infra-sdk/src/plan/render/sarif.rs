//! The findings of a page as SARIF, for code hosts that show them beside the code.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::judge::{Finding, Level};
use crate::plan::render::page::{Page, View};

impl Page<'_> {
    /// The findings of all stacks as one run of [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/).
    ///
    /// The resource is the logical location. The place in the repository is the [`file`](crate::plan::Stack::file) of the
    /// stack: GitHub shows no finding without one. A fingerprint stays the same while rule, stack and resource do.
    ///
    /// # Errors
    /// None in practice: `Bug` when the document cannot be written.
    pub fn sarif(&self) -> Result<String> {
        let mut rules: BTreeMap<&str, Level> = BTreeMap::new();
        for finding in self.stacks.iter().flat_map(|view| &view.findings) {
            let level = rules.entry(&finding.rule).or_insert(finding.level);
            *level = finding.level.max(*level);
        }
        let places: HashMap<&str, usize> =
            rules.keys().enumerate().map(|(place, rule)| (*rule, place)).collect();
        let mut results = Vec::new();
        for view in &self.stacks {
            // The same rule may find several things at one resource: their order tells them apart.
            let mut seen: HashMap<(&str, Option<&str>), usize> = HashMap::new();
            for finding in &view.findings {
                let nth = seen.entry((&finding.rule, finding.address.as_deref())).or_insert(0);
                *nth += 1;
                results.push(result(view, finding, places[&*finding.rule], *nth));
            }
        }
        let rules = rules.into_iter().map(|(rule, level)| {
            json!({"id": rule, "name": rule, "shortDescription": {"text": rule},
                "defaultConfiguration": {"level": level.to_string()}})
        });
        let document = json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {"name": "infra-sdk", "version": env!("CARGO_PKG_VERSION"), "rules": rules.collect::<Vec<_>>()}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        });
        serde_json::to_string_pretty(&document)
            .map_err(|error| Error::new(ErrorKind::Bug, "write findings as SARIF").because(error))
    }
}

fn result(view: &View<'_>, finding: &Finding, rule: usize, nth: usize) -> Json {
    let about = finding.address.as_deref().unwrap_or("the plan");
    let hint = finding.hint.as_ref().map_or(String::new(), |hint| format!(" Next: {hint}"));
    let mut location = json!({"logicalLocations": [{
        "name": about,
        "fullyQualifiedName": format!("{}/{about}", view.name),
        "kind": "resource",
    }]});
    if let Some(file) = &view.file {
        location["physicalLocation"] = json!({
            "artifactLocation": {"uri": uri(file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1},
        });
    }
    // Each part ends with a byte that no text of a plan holds in clear, so that two parts are never read as one.
    let identity = format!("{}\0{}\0{about}\0{nth}", view.name, finding.rule);
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": finding.level.to_string(),
        "message": {"text": format!("{about}: {}{hint}", finding.message)},
        "locations": [location],
        "partialFingerprints": {"infraSdkFinding/v1": Digest::of(identity.as_bytes()).hex()},
    })
}

/// A path in the repository as a relative reference: what is no plain character is encoded, and nothing leads outside.
fn uri(path: &str) -> String {
    let parts = path.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    let encoded = parts.map(|part| {
        part.bytes().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
            text
        })
    });
    encoded.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside_the_repository() {
        assert_eq!(uri("./stacks/net work/../main.tf"), "stacks/net%20work/main.tf");
        assert_eq!(uri("https://x/y"), "https%3A/x/y");
    }
}
