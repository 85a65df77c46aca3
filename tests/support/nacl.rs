//! libsodium, through PyNaCl: keys for sealed boxes, and the only one who can open them.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::tool;

const PROGRAM: &str = r#"
import base64, json, sys
from nacl.public import PrivateKey, SealedBox
ask = json.load(sys.stdin)
text = lambda raw: base64.b64encode(bytes(raw)).decode()
raw = lambda text: base64.b64decode(text, validate=True)
if "make" in ask:
    keys = [PrivateKey.generate() for _ in range(ask["make"])]
    json.dump([{"private": text(key), "public": text(key.public_key)} for key in keys], sys.stdout)
else:
    opened = [SealedBox(PrivateKey(raw(key))).decrypt(raw(box)).decode() for key, box in ask["open"]]
    json.dump(opened, sys.stdout)
"#;

/// A pair of keys, in base64.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Opens.
    pub private: String,
    /// Seals.
    pub public: String,
}

impl KeyPair {
    /// Makes `count` pairs.
    pub fn make(count: usize) -> Vec<KeyPair> {
        let text = |pair: &Value, key: &str| pair[key].as_str().expect("it is a text").to_owned();
        ask(&json!({ "make": count }))
            .as_array()
            .expect("a list of pairs")
            .iter()
            .map(|pair| KeyPair { private: text(pair, "private"), public: text(pair, "public") })
            .collect()
    }
}

/// Opens sealed boxes, each with its private key; both in base64. Panics if one cannot be opened.
pub fn open_sealed(boxes: &[(String, String)]) -> Vec<String> {
    let opened = ask(&json!({ "open": boxes }));
    opened.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

#[expect(clippy::disallowed_types, reason = "tests look at a program from outside")]
fn ask(question: &Value) -> Value {
    let mut child = std::process::Command::new(tool("python/bin/python3"))
        .args(["-I", "-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    // Dropped at the end of the statement: python reads to the end.
    child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(question.to_string().as_bytes())
        .expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "python failed; its words stand above");
    serde_json::from_slice(&output.stdout).expect("python answers in JSON")
}
