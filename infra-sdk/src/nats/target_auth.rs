//! Who a target asks as: the first place that says it, as a whole.

use std::path::PathBuf;

use crate::env::{NATS_CREDS, NATS_NKEY, NATS_PASSWORD, NATS_TOKEN, NATS_USER};
use crate::error::{Error, Result};
use crate::nats::auth::Auth;
use crate::nats::setting::{Origin, Setting};
use crate::nats::target::Resolver;
use crate::secret::SecretValue;

impl Resolver<'_> {
    /// Who asks, by the first place that says it.
    pub(super) fn auth(&self, open: &mut Vec<PathBuf>) -> Result<Option<Setting<Auth>>> {
        let variable =
            |name: &'static str| Some(Setting::new(self.env.get(name)?.to_owned(), &Origin::Variable(name)));
        if let Some(user) = variable(NATS_USER) {
            let auth = password(user.value, self.env.get(NATS_PASSWORD));
            return Ok(Some(Setting::new(auth, &user.origin)));
        }
        if let Some(token) = variable(NATS_TOKEN) {
            return Ok(Some(Setting::new(Auth::Token(SecretValue::new(token.value)), &token.origin)));
        }
        let own = |text: &Option<String>| Some(Setting::new(text.clone()?, &Origin::Settings));
        let of_context =
            |text: &str| Some(Setting::new(text.to_owned(), &self.of_context())).filter(|_| !text.is_empty());
        let files = [
            (variable(NATS_CREDS), variable(NATS_NKEY)),
            (own(&self.settings.creds), own(&self.settings.nkey)),
        ];
        for (creds, nkey) in files {
            if let Some(auth) = self.of_files(creds, nkey, open)? {
                return Ok(Some(auth));
            }
        }
        let context = &self.context;
        if let Some(user) = of_context(&context.user) {
            let secret = match self.env.get(NATS_PASSWORD) {
                Some(own) => Some(SecretValue::new(own)),
                None => of_context(&context.password)
                    .map(|setting| self.inline("password", &setting, open))
                    .transpose()?,
            };
            let auth = password(user.value, secret.as_ref().map(SecretValue::expose));
            return Ok(Some(Setting::new(auth, &user.origin)));
        }
        if let Some(auth) = self.of_files(of_context(&context.creds), of_context(&context.nkey), open)? {
            return Ok(Some(auth));
        }
        if let (Some(jwt), Some(seed)) = (of_context(&context.user_jwt), of_context(&context.user_seed)) {
            let (jwt_text, seed) =
                (self.inline("user_jwt", &jwt, open)?, self.inline("user_seed", &seed, open)?);
            return Ok(Some(Setting::new(Auth::of_jwt(jwt_text.expose().to_owned(), seed)?, &jwt.origin)));
        }
        let token = of_context(&context.token);
        let token = token.map(|setting| {
            Ok::<_, Error>(Setting::new(Auth::Token(self.inline("token", &setting, open)?), &setting.origin))
        });
        token.transpose()
    }

    fn of_files(
        &self,
        creds: Option<Setting<String>>,
        nkey: Option<Setting<String>>,
        open: &mut Vec<PathBuf>,
    ) -> Result<Option<Setting<Auth>>> {
        let (auth, origin) = match (creds, nkey) {
            (None, None) => return Ok(None),
            (Some(both), Some(_)) => {
                return Err(Error::invalid("NATS is given both `creds` and `nkey`")
                    .with("from", both.origin)
                    .hint("name the one that the server asks for"));
            }
            (Some(creds), None) => (Auth::of_creds(&self.material("creds", &creds, open)?)?, creds.origin),
            (None, Some(nkey)) => (Auth::of_nkey(&self.material("nkey", &nkey, open)?)?, nkey.origin),
        };
        Ok(Some(Setting::new(auth, &origin)))
    }

    /// A word of a context that is a secret itself, unless it refers to one.
    fn inline(&self, key: &str, setting: &Setting<String>, open: &mut Vec<PathBuf>) -> Result<SecretValue> {
        let refers = ["env:", "file:", "data:", "op://", "nsc://"];
        if refers.iter().any(|scheme| setting.value.starts_with(scheme)) {
            return Ok(self.material(key, setting, open)?.text);
        }
        Ok(SecretValue::new(setting.value.clone()))
    }
}

/// A name alone is a token, as the `nats` command line has it.
pub(super) fn password(user: String, password: Option<&str>) -> Auth {
    match password {
        Some(password) => Auth::Password { user, password: SecretValue::new(password) },
        None => Auth::Token(SecretValue::new(user)),
    }
}
