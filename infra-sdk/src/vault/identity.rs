//! Private keys that open a vault: read from the text `age-keygen` writes, made anew, never shown.

use std::fmt;
use std::io::Read;

use crate::error::{Error, Result};
use crate::secret::SecretValue;
use crate::secrets::SecretBytes;

/// A person's or a machine's age keys: one, or several while one replaces another.
pub struct Identities(Vec<age::x25519::Identity>);

/// Why something sealed was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It was made for other keys.
    ForOthers,
    /// It is not what was once sealed.
    Damaged,
}

impl Identities {
    /// Reads keys as `age-keygen` writes them: one a line, empty lines and lines with `#` between them. `place` says in
    /// errors where the text is from.
    ///
    /// # Errors
    /// `Invalid` with the number of the line that is no key, never its text; `Invalid` when there is none.
    pub fn parse(text: &SecretValue, place: &str) -> Result<Self> {
        let mut found = Vec::new();
        for (index, line) in text.expose().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line.parse().map_err(|_| {
                Error::invalid(why(line))
                    .with("place", place)
                    .with("line", index + 1)
                    .hint("give a key as `age-keygen` writes it: a line that starts with AGE-SECRET-KEY-1")
            })?;
            found.push(identity);
        }
        if found.is_empty() {
            return Err(Error::invalid("there is no age key")
                .with("place", place)
                .hint("give a key as `age-keygen` writes it: a line that starts with AGE-SECRET-KEY-1"));
        }
        Ok(Identities(found))
    }

    /// A new key from the system's randomness.
    pub(super) fn generate() -> Self {
        Identities(vec![age::x25519::Identity::generate()])
    }

    /// The public keys that belong to them, `age1…`.
    pub fn recipients(&self) -> Vec<String> {
        self.0.iter().map(|identity| identity.to_public().to_string()).collect()
    }

    /// The private keys as text, one a line, for the places that keep them.
    pub(super) fn text(&self) -> SecretValue {
        let keys: Vec<_> = self.0.iter().map(age::x25519::Identity::to_string).collect();
        let lines: Vec<&str> = keys.iter().map(secrecy::ExposeSecret::expose_secret).collect();
        SecretValue::new(lines.join("\n"))
    }

    pub(super) fn open(&self, sealed: &[u8]) -> Result<SecretBytes, Unopened> {
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let file = age::Decryptor::new_buffered(sealed).map_err(|_| Unopened::Damaged)?;
        let mut reader = file.decrypt(identities).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => Unopened::ForOthers,
            _ => Unopened::Damaged,
        })?;
        // Room for all from the start: growing would leave copies behind.
        let mut plain = Vec::with_capacity(sealed.len());
        match reader.read_to_end(&mut plain) {
            Ok(_) => Ok(SecretBytes::new(plain)),
            Err(_) => {
                drop(SecretBytes::new(plain));
                Err(Unopened::Damaged)
            }
        }
    }
}

/// What a line is that should be a private key.
fn why(line: &str) -> &'static str {
    if line.starts_with("age1") {
        "a public key stands where a private one should"
    } else if line.starts_with("AGE-PLUGIN-") {
        "this key needs a plugin of age, which the vault does without"
    } else if line.starts_with("-----BEGIN") {
        "this is a key of another program, or one with a passphrase"
    } else {
        "this is not an age key"
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Recipients;

    #[test]
    fn several_keys_with_comments_are_read_and_each_opens() {
        let (one, two) = (Identities::generate(), Identities::generate());
        let text = format!(
            "# created: 2026\r\n# public key: {}\r\n{}\r\n\n  {}  \n",
            one.recipients()[0],
            one.text().expose(),
            two.text().expose()
        );
        let both = Identities::parse(&SecretValue::new(text), "here").unwrap();
        assert_eq!(both.recipients(), [one.recipients(), two.recipients()].concat());
        for key in [&one, &two] {
            let sealed = Recipients::parse(&key.recipients()).unwrap().encrypt(b"canary").unwrap();
            assert_eq!(both.open(&sealed).unwrap().expose(), b"canary");
            let other = if std::ptr::eq(key, &one) { &two } else { &one };
            assert_eq!(other.open(&sealed).unwrap_err(), Unopened::ForOthers);
        }
        assert_eq!(format!("{both:?}"), "[secret]");
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line_and_not_shown() {
        let key = Identities::generate().text().expose().to_owned();
        for (text, why) in [
            ("# only a comment\n".to_owned(), "no age key"),
            (format!("# c\n{}", &key[..70]), "not an age key"),
            (format!("{key}\nage1canary"), "public key"),
            (format!("{key}\nAGE-PLUGIN-CANARY-1QQ"), "plugin"),
            ("-----BEGIN AGE ENCRYPTED FILE-----\ncanary".into(), "another program"),
        ] {
            let error = Identities::parse(&SecretValue::new(text), "the file x").unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.to_string().contains("place: the file x") && error.hints().len() == 1);
            let shown = format!("{error:?}").to_lowercase();
            assert!(!shown.contains("canary") && !shown.contains(&key[20..60].to_lowercase()), "{shown}");
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let key = Identities::generate();
        let sealed = Recipients::parse(&key.recipients()).unwrap().encrypt(b"canary").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed).is_err(), "byte {at} may be changed");
            assert!(key.open(&sealed[..at]).is_err(), "a cut at {at} was not noticed");
        }
        assert!(key.open(&[sealed.as_slice(), b"x"].concat()).is_err());
    }
}
