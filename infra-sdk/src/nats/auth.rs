//! How this program proves to a NATS server who it is.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::nats::reference::Material;
use crate::secret::SecretValue;

/// What is shown to the server. `Debug` and `Serialize` tell its kind only: the JWT of a bearer is all that it shows.
#[derive(Clone, Serialize)]
#[serde(into = "&'static str")]
pub(super) enum Auth {
    /// Nothing.
    Anonymous,
    /// A user's JWT, and the seed that signs what the server asks to be signed.
    Jwt { jwt: String, seed: SecretValue },
    /// A seed whose public key the server knows.
    Nkey { seed: SecretValue },
    /// A name and a password.
    Password { user: String, password: SecretValue },
    /// One word.
    Token(SecretValue),
}

impl From<Auth> for &'static str {
    fn from(auth: Auth) -> Self {
        auth.as_str()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Auth {
    /// The kind, as people name it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Auth::Anonymous => "none",
            Auth::Jwt { .. } => "credentials",
            Auth::Nkey { .. } => "nkey",
            Auth::Password { .. } => "user and password",
            Auth::Token(_) => "token",
        }
    }

    /// What nobody else may see of it.
    pub(super) fn secret(&self) -> Option<&SecretValue> {
        match self {
            Auth::Anonymous => None,
            Auth::Jwt { seed, .. } | Auth::Nkey { seed } => Some(seed),
            Auth::Password { password: secret, .. } | Auth::Token(secret) => Some(secret),
        }
    }

    /// From the content of a credentials file
    /// (<https://docs.nats.io/using-nats/developer/connecting/creds>): a JWT and a seed, each between two lines of dashes.
    ///
    /// # Errors
    /// `Invalid` when either is missing.
    pub(super) fn of_creds(material: &Material) -> Result<Self> {
        let text = material.text.expose();
        let jwt = block(text, "NATS USER JWT").ok_or_else(|| unreadable(material, "a user's JWT"))?;
        let seed = block(text, "USER NKEY SEED").ok_or_else(|| unreadable(material, "a user's seed"))?;
        Auth::of_jwt(jwt.to_owned(), SecretValue::new(seed))
    }

    /// From a JWT and a seed.
    ///
    /// # Errors
    /// `Invalid` when the seed is none.
    pub(super) fn of_jwt(jwt: String, seed: SecretValue) -> Result<Self> {
        check_seed(&seed)?;
        Ok(Auth::Jwt { jwt, seed })
    }

    /// From the content of a seed's file: the line that starts with `SU`.
    ///
    /// # Errors
    /// `Invalid` when there is none.
    pub(super) fn of_nkey(material: &Material) -> Result<Self> {
        let line = material.text.expose().lines().map(str::trim).find(|line| line.starts_with("SU"));
        let seed = SecretValue::new(line.ok_or_else(|| unreadable(material, "a user's seed"))?);
        check_seed(&seed)?;
        Ok(Auth::Nkey { seed })
    }
}

/// What stands between `-----BEGIN NAME-----` and the next line of dashes.
fn block<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = text.split_once(&format!("BEGIN {name}"))?;
    let mut lines = behind.lines().skip(1).map(str::trim);
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
}

fn check_seed(seed: &SecretValue) -> Result<()> {
    let is_user = |pair: &nkeys::KeyPair| pair.key_pair_type() == nkeys::KeyPairType::User;
    match nkeys::KeyPair::from_seed(seed.expose()) {
        Ok(pair) if is_user(&pair) => Ok(()),
        Ok(_) => Err(Error::invalid("the seed is not that of a user of NATS")
            .hint("use a user's seed, which starts with `SU`: those of accounts and operators belong to nobody's repo")),
        // What the library says may quote the seed.
        Err(_) => Err(Error::invalid("the seed of the NATS user is damaged")
            .hint("copy the credentials file again as a whole: 58 letters and digits that start with `SU`")),
    }
}

fn unreadable(material: &Material, lacks: &str) -> Error {
    let error = Error::invalid(format!("the credentials for NATS lack {lacks}"));
    let error = match &material.file {
        Some(file) => error.with("file", file.display()),
        None => error,
    };
    error.hint("a credentials file has a JWT and a seed between lines of dashes; fetch it again from who made the user")
}

/// Whether the holder of the public key `issuer` signed this.
///
/// ```
/// assert!(!infra_sdk::nats::is_signed_by("OABC", b"anything", b""));
/// ```
pub fn is_signed_by(issuer: &str, signed: &[u8], signature: &[u8]) -> bool {
    nkeys::KeyPair::from_public_key(issuer).is_ok_and(|issuer| issuer.verify(signed, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material(text: &str) -> Material {
        Material { text: SecretValue::new(text), file: None }
    }

    fn creds(seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\nabc.def.ghi\n------END NATS USER JWT------\n\nKeep it.\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }

    #[test]
    fn a_credentials_file_has_a_jwt_and_a_seed() {
        let seed = nkeys::KeyPair::new_user().seed().unwrap();
        let auth = Auth::of_creds(&material(&creds(&seed))).unwrap();
        assert!(matches!(&auth, Auth::Jwt { jwt, .. } if jwt == "abc.def.ghi"), "{auth:?}");
        assert_eq!(auth.as_str(), "credentials");
        assert!(!format!("{auth:?}").contains(&seed));
        assert_eq!(serde_json::to_string(&auth).unwrap(), "\"credentials\"");
    }

    #[test]
    fn a_seed_that_is_damaged_or_of_an_account_is_refused_without_being_shown() {
        let user = nkeys::KeyPair::new_user().seed().unwrap();
        let account = nkeys::KeyPair::new_account().seed().unwrap();
        for seed in [&user[..40], &account, "", "-----"] {
            let error = Auth::of_creds(&material(&creds(seed))).unwrap_err();
            assert!(!error.hints().is_empty(), "{seed}");
            assert!(seed.len() < 6 || !error.report().to_string().contains(seed), "{}", error.report());
        }
        assert!(Auth::of_creds(&material("hello")).is_err());
        assert!(Auth::of_nkey(&material(&format!("# mine\n{user}\n"))).is_ok());
        assert!(Auth::of_nkey(&material("SUnothing")).is_err());
    }
}
