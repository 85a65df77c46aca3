//! JWTs of NATS that may stand in a repo: what an operator and its accounts state, signed, and never a key.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::time::Timestamp;

/// The statement of an operator or an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJwt {
    /// The whole JWT: three parts in base64.
    pub text: String,
    /// Whom it is about: a public key that begins with `O` or `A`.
    pub subject: String,
    issuer: String,
    signing_keys: Vec<String>,
    /// When it ends, if it does.
    ends: Option<Timestamp>,
}

/// Whom a JWT is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Who runs the servers.
    Operator,
    /// One account on them.
    Account,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    #[serde(default)]
    exp: Option<u64>,
    #[serde(default)]
    nats: Nats,
}

#[derive(Default, Deserialize)]
struct Nats {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    signing_keys: Vec<serde_json::Value>,
}

impl PublicJwt {
    /// Reads the text of the file `name`: the JWT alone, as `nsc describe … --raw` writes it, or between lines of dashes.
    ///
    /// # Errors
    /// `Invalid` when it is none, is about somebody else, or when the text holds a key: that belongs in no repo.
    pub fn parse(name: &str, text: &str, subject: Subject) -> Result<Self> {
        let (what, export) = match subject {
            Subject::Operator => ("operator", "nsc describe operator --raw"),
            Subject::Account => ("account", "nsc describe account NAME --raw"),
        };
        let hint = format!("write it with `{export} --output-file {name}`");
        let refuse = |why: &str| Error::invalid(format!("{} {why}", quoted(name))).hint(&hint);
        if text.lines().any(|line| line.contains("SEED") || line.contains("PRIVATE") || is_seed(line.trim()))
        {
            return Err(refuse("holds a key, which is secret")
                .hint("take the file out of the repo and its history, and make a new key"));
        }
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("---")).collect();
        let jwt = lines.concat();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let parts: Vec<&str> = jwt.split('.').collect();
        let [_, payload, _] = parts.as_slice() else {
            return Err(refuse(&format!("holds no JWT of an {what}")));
        };
        let claims = URL_SAFE_NO_PAD.decode(payload).ok().filter(|_| jwt.chars().all(plain));
        let claims = claims.and_then(|bytes| serde_json::from_slice::<Claims>(&bytes).ok());
        let Some(claims) = claims else { return Err(refuse(&format!("holds no JWT of an {what}"))) };
        if claims.nats.kind != what {
            let other = if claims.nats.kind.is_empty() { "nobody" } else { &claims.nats.kind };
            return Err(refuse(&format!("is about {}, not about an {what}", quoted(other))));
        }
        let prefix = if subject == Subject::Operator { 'O' } else { 'A' };
        if !claims.sub.starts_with(prefix) || !claims.sub.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(refuse(&format!("names no public key of an {what}")));
        }
        // A signing key is its text, or a scope that holds it.
        let signing_keys = claims
            .nats
            .signing_keys
            .iter()
            .filter_map(|key| key.as_str().or_else(|| key.get("key")?.as_str()).map(str::to_owned));
        Ok(PublicJwt {
            signing_keys: signing_keys.collect(),
            text: jwt,
            subject: claims.sub,
            issuer: claims.iss,
            // Zero is never.
            ends: claims.exp.filter(|ends| *ends > 0).and_then(|ends| {
                SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(ends)).map(Timestamp::from)
            }),
        })
    }

    /// Passes one, from the file `name`, that a server takes today: it has not ended, and [what is signed](Self::signed) is, by
    /// whoever can tell.
    ///
    /// # Errors
    /// `Invalid` for one that a server refuses.
    pub fn require_sound(
        &self,
        name: &str,
        now: Timestamp,
        is_signed: impl FnOnce(&Self) -> bool,
    ) -> Result<()> {
        let refuse = |why: String| {
            Err(Error::invalid(format!("{} {why}", quoted(name)))
                .hint("export it anew with `nsc describe … --raw --output-file`, and after a change with `nsc edit …`"))
        };
        if let Some(ends) = self.ends.filter(|ends| *ends <= now) {
            return refuse(format!("holds a JWT that ended at {ends}"));
        }
        if !is_signed(self) {
            return refuse("holds a JWT whose signature is not that of its issuer".to_owned());
        }
        Ok(())
    }

    /// What is signed, the signature, and the public key of who is said to have signed it.
    pub fn signed(&self) -> (&str, Vec<u8>, &str) {
        let (signed, signature) = self.text.rsplit_once('.').unwrap_or((&self.text, ""));
        (signed, URL_SAFE_NO_PAD.decode(signature).unwrap_or_default(), &self.issuer)
    }

    /// Whether `operator` signed it.
    pub fn is_of(&self, operator: &PublicJwt) -> bool {
        self.issuer == operator.subject || operator.signing_keys.contains(&self.issuer)
    }
}

/// 58 letters and digits of base32 that begin with `S`: the seed of an nkey.
fn is_seed(word: &str) -> bool {
    let base32 = |c: char| c.is_ascii_uppercase() || ('2'..='7').contains(&c);
    word.len() == 58 && word.starts_with('S') && word.chars().all(base32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("eyJ0eXAi.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn an_account_is_told_from_others_and_from_keys() {
        let account = jwt(r#"{"sub":"AABC","iss":"OXYZ","nats":{"type":"account","signing_keys":["AAA"]}}"#);
        let read = |text: &str| PublicJwt::parse("acme.jwt", text, Subject::Account);
        let good =
            read(&format!("-----BEGIN NATS ACCOUNT JWT-----\n{account}\n------END NATS ACCOUNT JWT------\n"));
        assert_eq!(good.unwrap(), read(&account).unwrap());
        let user = jwt(r#"{"sub":"UABC","iss":"AABC","nats":{"type":"user"}}"#);
        let seed = format!("SA{}", "Q".repeat(56));
        for (text, says) in [
            (user.as_str(), "is about `user`"),
            (&jwt("{}"), "holds no JWT"),
            (&jwt(r#"{"sub":"a\"b","iss":"x","nats":{"type":"account"}}"#), "names no public key"),
            ("", "holds no JWT"),
            (&format!("{account} }}"), "holds no JWT"),
            (&seed, "holds a key"),
            (&format!("{account}\n-----BEGIN USER NKEY SEED-----\n"), "holds a key"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(!error.report().to_string().contains(&seed));
        }
    }

    #[test]
    fn one_that_has_ended_is_told_with_when() {
        let account = |exp: u64| {
            jwt(&format!(r#"{{"sub":"AABC","iss":"OXYZ","exp":{exp},"nats":{{"type":"account"}}}}"#))
        };
        let read = |exp: u64| PublicJwt::parse("acme.jwt", &account(exp), Subject::Account).unwrap();
        let error = read(1_700_000_000).require_sound("acme.jwt", Timestamp::now(), |_| true).unwrap_err();
        assert!(error.to_string().contains("ended at 2023-11-14T22:13:20"), "{error}");
        assert_eq!(read(0).ends, None);
    }

    #[test]
    fn an_account_belongs_to_the_operator_or_one_of_its_signing_keys() {
        let claims = |iss: &str| format!(r#"{{"sub":"AABC","iss":"{iss}","nats":{{"type":"account"}}}}"#);
        let operator = r#"{"sub":"OAB","iss":"OAB","nats":{"type":"operator","signing_keys":["OSIGN"]}}"#;
        let operator = PublicJwt::parse("o", &jwt(operator), Subject::Operator).unwrap();
        let of =
            |iss: &str| PublicJwt::parse("a", &jwt(&claims(iss)), Subject::Account).unwrap().is_of(&operator);
        assert!(of("OAB") && of("OSIGN") && !of("OTHER"));
    }
}
