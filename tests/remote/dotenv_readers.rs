//! The imitated readers of `.env` against bash, node and python themselves, over lines no person would write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use infra_sdk::secrets::{Reader, Reading};
use serde_json::Value as Json;
use support::{Run, Scratch, repo};

/// Names that may be set; no program here has them in its environment.
const NAMES: [&str; 3] = ["A", "B", "X"];

/// Pieces of lines: what ends, quotes, escapes, expands or runs something somewhere.
const PIECES: [&str; 52] = [
    "x", "x", "A", "1", "n", "é", " ", " ", "\t", "#", " #", "'", "'", "\"", "\"", "`", "$", "$X", "${X}",
    "${X:-", "${NO:-x}", "$X-", "{", "}", "\\", "\\", "\\n", "\\t", "\\\"", "\\'", "=", ":", "-", "+", "?",
    "(", ")", "$(x)", "~", "&", "&&", ";", "<", ">", "!", "*", "[", "]", "\u{a0}", "\u{2028}", "\r", "\n",
];

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.below(3) {
            text.push_str(self.one_of(&[
                "A=",
                "A=",
                "B=",
                "X=",
                "export A=",
                "export\tB=",
                " A =",
                "A= ",
                "# ",
            ]));
            let quote = self.one_of(&["", "", "", "'", "\""]);
            text.push_str(quote);
            for _ in 0..self.below(5) {
                text.push_str(self.one_of(&PIECES));
            }
            text.push_str(quote);
            text.push_str(self.one_of(&["\n", "\n", "\n", "\r\n", " # x\n", "#x\n", ""]));
        }
        text
    }
}

fn texts(count: usize) -> Vec<String> {
    let mut numbers = Numbers(2026);
    (0..count).map(|_| numbers.text()).collect()
}

fn tool(relative: &str) -> PathBuf {
    let path = repo().join("target/tools").join(relative);
    assert!(path.exists(), "{} is missing: run `cargo xtask provision`", path.display());
    path
}

/// What a program sets for each text, as the JSON list of objects it prints.
fn printed(program: &Path, arguments: &[&str], scratch: &Scratch, texts: &[String]) -> Vec<Json> {
    let input = scratch.write("texts.json", serde_json::to_vec(texts).expect("texts are JSON"));
    let run = Run::new(program, scratch.path()).args(arguments.iter().copied()).args([input]);
    let out = run.env("PYTHONUTF8", "1").finish().expect(0).stdout;
    let found: Vec<Json> = serde_json::from_str(&out).expect("the program prints JSON");
    assert_eq!(found.len(), texts.len());
    found
}

/// Compares readings that are values or nothing; how many values there were.
fn same(reader: Reader, texts: &[String], found: &[Json]) -> usize {
    let mut values = 0;
    for (text, found) in texts.iter().zip(found) {
        let readings = reader.read(text, &BTreeMap::new());
        for name in NAMES {
            match (readings.get(name), found[name].as_str()) {
                (Reading::Value(value), Some(wanted)) if value.expose() == wanted => values += 1,
                (Reading::Missing, None) => {}
                (reading, wanted) => {
                    panic!("{reader} reads {name} of {text:?} as {wanted:?}, not {reading:?}")
                }
            }
        }
    }
    values
}

#[test]
fn node_reads_what_is_said_of_it() {
    let scratch = Scratch::new("dotenv-node");
    let script = "const {readFileSync} = require('fs'); const {parseEnv} = require('util');\n\
                  const texts = JSON.parse(readFileSync(process.argv[1], 'utf8'));\n\
                  console.log(JSON.stringify(texts.map((text) => ({...parseEnv(text)}))))";
    let texts = texts(1000);
    let found = printed(&tool("node/node"), &["-e", script], &scratch, &texts);
    assert!(same(Reader::Node, &texts, &found) > 500);
}

#[test]
fn python_reads_what_is_said_of_it() {
    let scratch = Scratch::new("dotenv-python");
    let script = r#"
import json, logging, sys
try:
    from dotenv import dotenv_values
except ImportError:
    sys.exit("python-dotenv is missing: run `cargo xtask provision`")
logging.disable(logging.CRITICAL)
found = []
for text in json.load(open(sys.argv[1], encoding="utf-8")):
    with open("one.env", "w", newline="", encoding="utf-8") as file:
        file.write(text)
    found.append(dotenv_values("one.env", encoding="utf-8"))
json.dump(found, sys.stdout)
"#;
    let texts = texts(1000);
    let found = printed(&tool("python/bin/python3"), &["-c", script], &scratch, &texts);
    assert!(same(Reader::Python, &texts, &found) > 500);
}

/// What bash said and set.
struct Sourced {
    set: BTreeMap<String, String>,
    complained: bool,
}

/// One bash for each text, in a folder of its own and without a program it could find.
fn sourced(texts: &[String]) -> Vec<Sourced> {
    let scratch = Scratch::new("dotenv-bash");
    for (at, text) in texts.iter().enumerate() {
        scratch.write(&format!("{at}/.env"), text);
    }
    let script = r#"
env=$(type -P env)
one='command_not_found_handle() { echo "no command" >&2; return 127; }
trap "$0 -0 >.set" EXIT
set -a; . ./.env'
for case in *; do
  (cd "$case" && PATH=/nowhere exec "$BASH" --norc --noprofile -c "$one" "$env" </dev/null >.out 2>.err)
done
exit 0"#;
    let _ = Run::new("bash", scratch.path()).args(["-c", script]).env("LC_ALL", "C.UTF-8").finish().expect(0);
    let read = |path: String| std::fs::read(scratch.join(path)).unwrap_or_default();
    let one = |at| {
        let set = String::from_utf8_lossy(&read(format!("{at}/.set"))).into_owned();
        let set = set.split('\0').filter_map(|pair| pair.split_once('='));
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Sourced { set, complained: !read(format!("{at}/.err")).is_empty() }
    };
    (0..texts.len()).map(one).collect()
}

#[test]
fn bash_reads_what_is_said_of_it() {
    let texts = texts(500);
    let (mut values, mut open) = (0, 0);
    for (text, found) in texts.iter().zip(sourced(&texts)) {
        let readings = Reader::Bash.read(text, &BTreeMap::new());
        for name in NAMES {
            let (reading, wanted) = (readings.get(name), found.set.get(name).map(String::as_str));
            let agrees = match &reading {
                Reading::Value(value) => wanted == Some(value.expose()),
                Reading::Missing => wanted.is_none(),
                // `:`, `.` and `[` are commands that need not complain.
                Reading::Runs => found.complained || text.contains([':', '.', '[', '<']),
                Reading::Error => wanted.is_none() && found.complained,
                Reading::Varies => true,
            };
            assert!(agrees, "bash reads {name} of {text:?} as {wanted:?}, not {reading:?}");
            values += usize::from(matches!(reading, Reading::Value(_)));
            open += usize::from(reading == Reading::Varies);
        }
    }
    assert!(values > 100 && open < values, "{values} values, {open} left open");
}
