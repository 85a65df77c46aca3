//! For whom a vault is encrypted: public keys, checked where they come in.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::names::quoted;

/// The public keys a vault is encrypted for; at least one. Their order does not matter, and one given twice counts once.
#[derive(Clone)]
pub struct Recipients {
    keys: Vec<age::x25519::Recipient>,
    texts: Vec<String>,
    tag: String,
}

impl Recipients {
    /// Checks public keys, as `recipients` of `[vault]` in `infra.toml` lists them.
    ///
    /// # Errors
    /// `Invalid` with the place in the list and what is wrong with the first one that is none; `Invalid` for no key at all.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self> {
        let mut sorted = BTreeSet::new();
        for (index, text) in texts.iter().enumerate() {
            let text = text.as_ref().trim();
            check(text).map_err(|wrong| {
                Error::invalid(wrong.why)
                    .with("vault.recipients", index + 1)
                    // A private key in the wrong place is not shown again.
                    .with("given", if wrong.private { "…".to_owned() } else { quoted(text) })
                    .hint(wrong.hint)
            })?;
            sorted.insert(text.to_owned());
        }
        if sorted.is_empty() {
            return Err(Error::invalid("the vault has no recipients").hint(
                "make a key with `cargo xtask infra:secrets:key`, and add its public half to `recipients` of `[vault]` \
                 in infra.toml",
            ));
        }
        let texts: Vec<String> = sorted.into_iter().collect();
        let keys = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let tag = Digest::of(texts.join("\n").as_bytes()).short().to_owned();
        Ok(Recipients { keys, texts, tag })
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Twelve hexadecimal digits that tell this set of keys from others: the start of the SHA-256 of the sorted keys,
    /// one a line.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether a public key is among them.
    pub fn contains(&self, public: &str) -> bool {
        self.texts.iter().any(|text| text == public)
    }

    /// Encrypts for all of them: the [age format](https://age-encryption.org/v1), binary.
    pub(super) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let keys = self.keys.iter().map(|key| key as &dyn age::Recipient);
        let failed = |error: String| {
            Error::new(ErrorKind::Bug, "encrypt for the vault's recipients")
                .because(error)
                .hint("please report this")
        };
        let encryptor = age::Encryptor::with_recipients(keys).map_err(|error| failed(error.to_string()))?;
        let mut sealed = Vec::with_capacity(plain.len() + 200 + 110 * self.len());
        let finish = |sealed: &mut Vec<u8>| {
            let mut writer = encryptor.wrap_output(sealed)?;
            writer.write_all(plain)?;
            writer.finish().map(drop)
        };
        finish(&mut sealed).map_err(|error: std::io::Error| failed(error.to_string()))?;
        Ok(sealed)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.texts).finish()
    }
}

struct Wrong {
    why: String,
    hint: &'static str,
    private: bool,
}

const WRITE: &str = "write the public key as `age-keygen -y` prints it: `age1` and 58 more characters";

/// What is wrong with a text that should be a public key.
fn check(text: &str) -> Result<(), Wrong> {
    let wrong = |why: &str, hint| Err(Wrong { why: why.to_owned(), hint, private: false });
    let lower = text.to_ascii_lowercase();
    if lower.contains("age-secret-key-") || lower.contains("private key") {
        let hint = "remove it, make a new key, and replace every secret that it could read: it is no secret any more";
        return Err(Wrong { why: "a recipient of the vault is a private key".into(), hint, private: true });
    }
    if text.is_empty() {
        return wrong("a recipient of the vault is empty", WRITE);
    }
    if lower.starts_with("ssh-") {
        return wrong(
            "a recipient of the vault is an ssh key",
            "make an age key with `cargo xtask infra:secrets:key`",
        );
    }
    let Some(data) = text.strip_prefix("age1") else {
        let why = if lower.starts_with("age1") {
            "a recipient of the vault has capital letters"
        } else {
            "a recipient of the vault does not start with `age1`"
        };
        return wrong(why, WRITE);
    };
    // Keys of plugins carry the plugin's name and a second `1`, which no key has.
    if data.contains('1') {
        return wrong(
            "a recipient of the vault needs a plugin of age",
            "use a key without one: the vault opens without other programs",
        );
    }
    if let Some(c) = data.chars().find(|c| !ALPHABET.contains(*c)) {
        return wrong(&format!("a recipient of the vault contains {c:?}, which no key has"), WRITE);
    }
    if text.len() != 62 {
        let why = format!("a recipient of the vault has {} characters; a key has 62", text.len());
        return wrong(&why, WRITE);
    }
    if text.parse::<age::x25519::Recipient>().is_err() {
        return wrong("a recipient of the vault has a wrong letter: its check sum differs", WRITE);
    }
    if protects_nothing(data) {
        return wrong(
            "a recipient of the vault protects nothing: whatever is encrypted for it, everybody can read",
            "ask who added this key, and make a new one",
        );
    }
    Ok(())
}

const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Whether a key is one of the few points whose product with any number is known. age refuses to read what is encrypted
/// with such a point, so it is asked to.
fn protects_nothing(data: &str) -> bool {
    let Some(point) = point(data) else { return true };
    let stanza = STANDARD_NO_PAD.encode(point);
    let (body, mac) = (STANDARD_NO_PAD.encode([0; 32]), STANDARD_NO_PAD.encode([0; 32]));
    let header = format!("age-encryption.org/v1\n-> X25519 {stanza}\n{body}\n--- {mac}\n");
    let bytes = [header.as_bytes(), &[0; 48]].concat();
    let anybody = age::x25519::Identity::generate();
    match age::Decryptor::new_buffered(&bytes[..]) {
        Ok(file) => !matches!(
            file.decrypt(std::iter::once(&anybody as &dyn age::Identity)),
            Err(age::DecryptError::NoMatchingKeys)
        ),
        Err(_) => true,
    }
}

/// The 32 bytes of a key, from the Bech32 text after `age1`; its check sum is known to be right.
fn point(data: &str) -> Option<[u8; 32]> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0_u32);
    for c in data.get(..data.len().checked_sub(6)?)?.chars() {
        bits = bits << 5 | u32::try_from(ALPHABET.find(c)?).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> String {
        age::x25519::Identity::generate().to_public().to_string()
    }

    #[test]
    fn the_tag_depends_on_the_set_of_keys_and_not_on_their_order() {
        let [a, b] = [public(), public()];
        let tag = |texts: &[&String]| Recipients::parse(texts).unwrap().tag().to_owned();
        assert_eq!(tag(&[&a, &b]), tag(&[&b, &a, &b]));
        assert_ne!(tag(&[&a]), tag(&[&a, &b]));
        assert_eq!(Recipients::parse(&[format!(" {a}\n")]).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_its_place_and_the_nearest_cause() {
        let good = public();
        let mut flipped = good.clone();
        let last = if good.ends_with('q') { "p" } else { "q" };
        flipped.replace_range(61.., last);
        let identity = age::x25519::Identity::generate();
        let private = secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        let cases = [
            (private.clone(), "is a private key"),
            (String::new(), "is empty"),
            ("ssh-ed25519 AAAA".into(), "is an ssh key"),
            (good.to_uppercase(), "capital letters"),
            ("bge1x".into(), "does not start with `age1`"),
            ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t".into(), "plugin"),
            (format!("{}b{}", &good[..10], &good[11..]), "contains 'b'"),
            (good[..40].into(), "has 40 characters"),
            (flipped, "wrong letter"),
        ];
        for (text, why) in cases {
            let error = Recipients::parse(&[good.clone(), text]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(why), "{why}: {error}");
            assert!(error.to_string().contains("vault.recipients: 2"), "{error}");
            assert!(!format!("{error:?}").contains(&private[20..]), "shows the private key");
            assert_eq!(error.hints().len(), 1, "{error:?}");
        }
        assert!(Recipients::parse::<&str>(&[]).unwrap_err().hints()[0].contains("infra:secrets:key"));
    }

    #[test]
    fn a_key_that_protects_nothing_is_refused_before_anything_is_encrypted_for_it() {
        // The points of small order: zero, one, and minus one.
        let minus_one = {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xec, 0x7f);
            bytes
        };
        let one = std::array::from_fn(|at| u8::from(at == 0));
        for bytes in [[0; 32], one, minus_one] {
            let error = Recipients::parse(&[bech32(&bytes)]).unwrap_err();
            assert!(error.to_string().contains("protects nothing"), "{error}");
        }
        let key = public();
        assert_eq!(bech32(&point(&key[4..]).unwrap()), key, "the bytes of a key are read wrongly");
    }

    /// Bech32 of a public key, after BIP 173.
    fn bech32(bytes: &[u8; 32]) -> String {
        let (mut digits, mut bits, mut held) = (Vec::new(), 0_u32, 0);
        for byte in bytes {
            bits = bits << 8 | u32::from(*byte);
            held += 8;
            while held >= 5 {
                held -= 5;
                digits.push(bits >> held & 31);
                bits &= (1 << held) - 1;
            }
        }
        digits.push(bits << (5 - held) & 31);
        let polymod = |digits: &[u32]| {
            digits.iter().fold(1_u32, |sum, digit| {
                let top = sum >> 25;
                let generator = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
                let sum = (sum & 0x1ff_ffff) << 5 ^ digit;
                (0..5).filter(|bit| top >> bit & 1 == 1).fold(sum, |sum, bit| sum ^ generator[bit as usize])
            })
        };
        let prefix = "age".bytes();
        let mut all: Vec<u32> = prefix.clone().map(|c| u32::from(c >> 5)).collect();
        all.push(0);
        all.extend(prefix.map(|c| u32::from(c & 31)));
        all.extend(&digits);
        all.extend([0; 6]);
        let sum = polymod(&all) ^ 1;
        digits.extend((0..6).map(|at| sum >> (5 * (5 - at)) & 31));
        let letter = |digit: &u32| char::from(ALPHABET.as_bytes()[*digit as usize]);
        format!("age1{}", digits.iter().map(letter).collect::<String>())
    }
}
