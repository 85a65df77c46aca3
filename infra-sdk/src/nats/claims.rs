//! What the JWT of a user says, read without asking anybody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The claims of a user as far as they are of use here; the format is version 2 of
/// [nats-io/jwt](https://github.com/nats-io/jwt). Whether the signature is good is the server's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Claims {
    pub(super) name: String,
    /// The user's public key.
    pub(super) sub: String,
    /// The public key of who signed: the account's own, or one of its signing keys.
    pub(super) iss: String,
    /// When it ends, in seconds since 1970; 0 for never.
    pub(super) exp: u64,
    /// When it begins, in the same way.
    pub(super) nbf: u64,
    pub(super) nats: User,
}

/// What is particular to a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct User {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The account, where a signing key of it signed.
    pub(super) issuer_account: String,
    #[serde(rename = "pub")]
    pub(super) publish: Subjects,
    #[serde(rename = "sub")]
    pub(super) subscribe: Subjects,
}

/// What may be used and what not; nothing at all stands for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Subjects {
    #[serde(deserialize_with = "listed")]
    pub(super) allow: Vec<String>,
    #[serde(deserialize_with = "listed")]
    pub(super) deny: Vec<String>,
}

impl Claims {
    /// Reads the middle one of a JWT's three parts.
    ///
    /// # Errors
    /// `Invalid` for what is no JWT of a user.
    pub(super) fn read(jwt: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid("the JWT of the NATS user cannot be read")
                .because(why.to_owned())
                .hint("copy the credentials file again as a whole, or fetch it again from who made the user")
        };
        let mut parts = jwt.trim().split('.');
        let (Some(_), Some(body), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("it has not three parts with dots between them"));
        };
        let bytes =
            URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).map_err(|_| wrong("it is not in base64"))?;
        // The cause may quote a value.
        let claims: Claims =
            serde_json::from_slice(&bytes).map_err(|_| wrong("its claims are not those of NATS"))?;
        if claims.nats.kind != "user" {
            return Err(wrong("it is not that of a user"));
        }
        Ok(claims)
    }

    /// The account that the user belongs to.
    pub(super) fn account(&self) -> &str {
        if self.nats.issuer_account.is_empty() { &self.iss } else { &self.nats.issuer_account }
    }
}

impl Subjects {
    /// `everything`, or the subjects.
    pub(super) fn told(&self) -> String {
        let allowed = if self.allow.is_empty() { "everything".to_owned() } else { self.allow.join(" ") };
        if self.deny.is_empty() { allowed } else { format!("{allowed}, but not {}", self.deny.join(" ")) }
    }
}

/// A list that may also be `null`.
fn listed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(body: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(body))
    }

    #[test]
    fn a_users_jwt_tells_who_until_when_and_what_is_allowed() {
        let body = r#"{"name":"ada","sub":"UABC","iss":"ASIGN","exp":1700000000,"jti":"x",
            "nats":{"type":"user","version":2,"issuer_account":"AACC","pub":{"allow":["a.>"],"deny":["a.b"]},"sub":{"allow":null}}}"#;
        let claims = Claims::read(&jwt(body)).unwrap();
        assert_eq!((claims.name.as_str(), claims.account(), claims.exp), ("ada", "AACC", 1_700_000_000));
        assert_eq!(claims.nats.publish.told(), "a.>, but not a.b");
        assert_eq!(claims.nats.subscribe.told(), "everything");
        let own = jwt(r#"{"sub":"UABC","iss":"AACC","nats":{"type":"user"}}"#);
        assert_eq!(Claims::read(&own).unwrap().account(), "AACC");
    }

    #[test]
    fn what_is_no_users_jwt_is_refused_and_not_shown() {
        let account = jwt(r#"{"sub":"AABC","nats":{"type":"account"}}"#);
        let broken = jwt(r#"{"sub":7,"name":"canary"}"#);
        for bad in ["", "a.b", "a.b.c.d", "a.%%.c", "a.aGVsbG8.c", &account, &broken] {
            let error = Claims::read(bad).unwrap_err();
            assert!(!error.hints().is_empty() && !error.report().to_string().contains("canary"), "{bad}");
        }
    }
}
