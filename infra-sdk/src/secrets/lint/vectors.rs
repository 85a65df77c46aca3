//! Every measured reading, against the imitations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::reading::{Reader, Reading};

/// The name each program has in the measurements.
const PARSERS: [(Reader, &str); 5] = [
    (Reader::Gh, "godotenv 1.5.1 (gh secret set -f)"),
    (Reader::Node20, "node 20 util.parseEnv"),
    (Reader::Compose, "compose-go 2.13.0"),
    (Reader::Python, "python-dotenv 1.2.4"),
    (Reader::Bash, "bash 5.2 (set -a; source)"),
];

fn source(case: &Json) -> String {
    let part = |key: &str| case["src_repeat"][key].as_str().unwrap();
    match case["src"].as_str() {
        Some(text) => text.to_owned(),
        None => {
            let times = case["src_repeat"]["times"].as_u64().unwrap() as usize;
            format!("{}{}{}", part("before"), part("char").repeat(times), part("after"))
        }
    }
}

#[test]
fn every_measured_reading_of_every_program_is_imitated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dotenv-vectors.json");
    let vectors: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let environment: BTreeMap<String, String> = [("OUTER".into(), "outer".into())].into();
    let mut compared = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let text = source(case);
        for (reader, parser) in PARSERS {
            let id = format!("{} {reader}", case["id"]);
            let observed = &case["observed"][parser];
            let readings = reader.read(&text, &environment);
            let complained = observed["stderr"].is_string();
            let vars = observed["vars"].as_object().cloned().unwrap_or_default();
            let mut names: BTreeSet<&str> = vars.keys().map(String::as_str).collect();
            names.extend(["A", "B", "X"]);
            names.extend(readings.names());
            for name in names {
                let reading = readings.get(name);
                let wanted = vars.get(name).and_then(Json::as_str);
                let wanted =
                    if wanted == Some("x*4097") { Some("x".repeat(4097)) } else { wanted.map(str::to_owned) };
                let agrees = match (&reading, &wanted) {
                    _ if observed["error"].is_string() => reading == Reading::Error,
                    (Reading::Value(value), Some(wanted)) => value.expose() == wanted,
                    (Reading::Varies, Some(wanted)) => wanted.contains("<pid>"),
                    (Reading::Missing, None) => true,
                    (Reading::Runs | Reading::Error, None) => complained,
                    // The output of a command that could not be found.
                    (Reading::Runs, Some(wanted)) => complained && wanted.is_empty(),
                    _ => false,
                };
                assert!(agrees, "{id}: {name} is {reading:?}, measured {wanted:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 60 * 5);
}

/// Values of many letters that mean something to somebody, the same ones in every run.
fn values() -> impl Iterator<Item = String> {
    let letters: Vec<&str> =
        "x 1 A é ' ' \" \\ \\ $ ${ } ( ) ` # & ; | < > * ~ ! = : , % @ - + / . \\n n t".split(' ').collect();
    let extra = [" ", "\n", "\t", "$X", "${A}", "$(", " #"];
    let mut state = 7_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..3000).map(move |_| {
        let length = next(8);
        let mut value = String::new();
        for _ in 0..length {
            let at = next(letters.len() + extra.len());
            value.push_str(letters.get(at).copied().unwrap_or_else(|| extra[at - letters.len()]));
        }
        value
    })
}

#[test]
fn what_is_written_is_read_alike_by_all_or_refused() {
    use crate::names::SecretName;
    use crate::secret::SecretValue;
    let name: SecretName = "A".parse().unwrap();
    let last: SecretName = "B".parse().unwrap();
    let after = SecretValue::new("2");
    let (mut written, mut refused) = (0, 0);
    for value in values() {
        let value = SecretValue::new(value);
        let Ok(text) = crate::secrets::write_dotenv([(&name, &value), (&last, &after)]) else {
            refused += 1;
            continue;
        };
        written += 1;
        for reader in Reader::ALL {
            let readings = reader.read(text.expose(), &BTreeMap::new());
            assert_eq!(readings.get("A"), Reading::Value(value.clone()), "{reader}: {}", text.expose());
            assert_eq!(readings.get("B"), Reading::Value(after.clone()), "{reader}: {}", text.expose());
        }
        assert!(super::lint(text.expose(), ".env").unwrap().is_clean());
    }
    assert!(written > 1000 && refused > 300, "{written} written, {refused} refused");
}
