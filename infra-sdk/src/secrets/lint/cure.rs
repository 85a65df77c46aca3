//! What makes all programs read a value alike: found by trying it on all of them.

use std::collections::BTreeMap;

use super::reading::{Reader, Reading};
use crate::secret::SecretValue;
use crate::secrets::dotenv::Pair;

/// Whether every program reads this value for this name.
pub(super) fn alike(text: &str, name: &str, value: &SecretValue) -> bool {
    let nothing = BTreeMap::new();
    let wanted = Reading::Value(value.clone());
    Reader::ALL.iter().all(|reader| reader.read(text, &nothing).get(name) == wanted)
}

/// The smallest change that helps, for a pair and the text it stands in.
pub(super) fn cure(pair: &Pair, own: &str, written: &str) -> &'static str {
    let (name, value) = (pair.name.as_str(), &pair.value);
    let without_mark = own.trim_start_matches('\u{feff}');
    let quoted = |quote: &str| [name, "=", quote, value.expose(), quote, "\n"].concat();
    if !alike(&format!("{name}=x\n"), name, &SecretValue::new("x")) {
        return "use another name: this one belongs to a shell";
    }
    let tries = [
        (without_mark.to_owned(), "save the file without a byte order mark"),
        (own.replace("\r\n", "\n"), "end the lines of the file with a line feed only"),
        (format!("{name}={written}\n"), "write the line as `NAME=value`, without blanks or a comment"),
        (quoted("'"), "put the value between single quotes"),
        (quoted("\""), "put the value between double quotes"),
        (quoted(""), "write the value without quotes"),
    ];
    let helps = |text: &str| own != text && alike(text, name, value);
    tries.iter().find(|(text, _)| helps(text)).map_or("store it as base64", |(_, cure)| cure)
}
