//! What `infra.toml` may say about working on the project on this machine.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{Label, quoted};

/// `[dev]`: what `infra:dev` starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Dev {
    /// What is run, with its arguments: one list, or a table of them by name. The one called `app`, as a list alone is,
    /// gets `PORT`, and its health is looked at.
    #[serde(default)]
    pub run: Commands,
    /// Whether a NATS server of this repo's own runs beside it; default: where the environment is local and its `nats`
    /// names no server.
    #[serde(default)]
    pub nats: Option<bool>,
    /// The port of that server; default: a free one, kept from run to run.
    #[serde(default)]
    pub nats_port: Option<u16>,
}

/// Programs with their arguments, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Commands(pub BTreeMap<Label, Vec<String>>);

impl Commands {
    /// The name of a list that stands alone.
    pub const APP: &'static str = "app";
}

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Commands;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a program with its arguments, such as `[\"cargo\", \"run\"]`, or a table of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Commands, A::Error> {
        let words = Vec::deserialize(SeqAccessDeserializer::new(items))?;
        let name = Label::new(Commands::APP).map_err(A::Error::custom)?;
        Ok(Commands(BTreeMap::from([(name, checked(Commands::APP, words)?)])))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Commands, A::Error> {
        let mut commands = BTreeMap::new();
        while let Some((name, words)) = entries.next_entry::<Label, Vec<String>>()? {
            let words = checked(name.as_str(), words)?;
            commands.insert(name, words);
        }
        Ok(Commands(commands))
    }
}

fn checked<E: serde::de::Error>(name: &str, words: Vec<String>) -> Result<Vec<String>, E> {
    // The server's own lines carry this name.
    if name == "nats" {
        return Err(E::custom("`nats` is the name of the server beside it; call the program something else"));
    }
    if words.first().is_none_or(String::is_empty) {
        return Err(E::custom(format!("{} names no program", quoted(name))));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(E::custom(format!("{} contains a zero byte, which ends an argument", quoted(name))));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(dev: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let text = format!("[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n{dev}");
        let config = Config::of_text(&text, "/srv", "local").map_err(|error| format!("{error:?}"))?;
        let run = &config.settings().dev.run.0;
        Ok(run.iter().map(|(name, words)| (name.to_string(), words.clone())).collect())
    }

    #[test]
    fn a_list_alone_is_the_app_and_a_table_has_names() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(read("").unwrap(), []);
        assert_eq!(
            read("[dev]\nrun = [\"cargo\", \"run\"]\n").unwrap(),
            [("app".into(), words(&["cargo", "run"]))]
        );
        let table = "[dev.run]\nweb = [\"npm\", \"start\"]\napp = [\"x\"]\n";
        assert_eq!(
            read(table).unwrap(),
            [("app".into(), words(&["x"])), ("web".into(), words(&["npm", "start"]))]
        );
    }

    #[test]
    fn a_program_that_cannot_be_one_is_refused_where_it_stands() {
        for (dev, says) in [
            ("[dev]\nrun = []\n", "names no program"),
            ("[dev]\nrun = [\"\"]\n", "names no program"),
            ("[dev]\nrun = \"cargo run\"\n", "a program with its arguments"),
            ("[dev]\nrun = { nats = [\"x\"] }\n", "call the program something else"),
            ("[dev]\nrun = { app = \"x\" }\n", "list"),
            ("[dev]\nrum = []\n", "did you mean `run`"),
        ] {
            let told = read(dev).unwrap_err();
            assert!(told.contains(says), "{dev}: {told}");
        }
    }
}
