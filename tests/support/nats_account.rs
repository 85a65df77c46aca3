//! Operators, accounts and users of NATS by JWT, made here: as `nsc` makes them, and Synadia Cloud has them.
//!
//! A JWT of NATS is a header, claims and an ed25519 signature of both, each in base64 for addresses; the claims are those of
//! version 2 of [nats-io/jwt](https://github.com/nats-io/jwt).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An account of a server with an operator: it makes users.
#[derive(Debug)]
pub struct NatsAccount {
    key: KeyPair,
    system: KeyPair,
}

impl NatsAccount {
    /// An account with these limits of JetStream beside no others, and the server's configuration that knows it.
    pub fn with(limits: &Value) -> (Self, String) {
        let (operator, key, system) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        let own = json!({ "name": "test", "type": "operator", "version": 2, "system_account": system.public_key() });
        let operator_jwt = jwt(&operator, &operator.public_key(), "test", &own, None);
        let account = |of: &KeyPair, name: &str, limits: &Value| {
            let mut all = json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
                "conn": -1, "leaf": -1,
            });
            for (name, limit) in limits.as_object().into_iter().flatten() {
                all[name] = limit.clone();
            }
            let permissions = json!({ "pub": {}, "sub": {} });
            let claims =
                json!({ "limits": all, "default_permissions": permissions, "type": "account", "version": 2 });
            jwt(&operator, &of.public_key(), name, &claims, None)
        };
        let config = format!(
            "operator: {operator_jwt}\nsystem_account: {}\nresolver: MEMORY\n\
             resolver_preload: {{ {}: {}, {}: {} }}\n",
            system.public_key(),
            key.public_key(),
            account(&key, "shop", limits),
            system.public_key(),
            account(&system, "SYS", &json!({})),
        );
        (NatsAccount { key, system }, config)
    }

    /// The credentials file of a user who may do everything.
    pub fn user(&self, name: &str) -> String {
        self.user_with(name, &json!({}), None)
    }

    /// The credentials file of a user with these permissions (`{"pub": {"allow": […], "deny": […]}, "sub": …}`), who ends
    /// so many seconds from now, which may be before it.
    pub fn user_with(&self, name: &str, permissions: &Value, ends_in: Option<i64>) -> String {
        creds(&self.key, name, permissions, ends_in)
    }

    /// The credentials file of a user of the system's account.
    pub fn system_user(&self) -> String {
        creds(&self.system, "sys", &json!({}), None)
    }

    /// The account's public key.
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }
}

fn creds(account: &KeyPair, name: &str, permissions: &Value, ends_in: Option<i64>) -> String {
    let user = KeyPair::new_user();
    let mut claims = json!({
        "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2,
    });
    for (name, permission) in permissions.as_object().into_iter().flatten() {
        claims[name] = permission.clone();
    }
    let ends = ends_in.map(|seconds| now() + seconds);
    format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n\n\
         *************************************************************\n",
        jwt(account, &user.public_key(), name, &claims, ends),
        user.seed().expect("a new user has a seed"),
    )
}

fn jwt(issuer: &KeyPair, subject: &str, name: &str, claims: &Value, ends: Option<i64>) -> String {
    let mut body = json!({
        "jti": infra_sdk::id::short().expect("the system has randomness"), "iat": now() - 3600,
        "iss": issuer.public_key(), "name": name, "sub": subject, "nats": claims,
    });
    if let Some(ends) = ends {
        body["exp"] = ends.into();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), part(&body));
    let signature = issuer.sign(signed.as_bytes()).expect("its own key signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("it is long before the end of time")
}
