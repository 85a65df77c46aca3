//! Who asks a registry: the port to whatever knows a user and a password.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::SecretValue;

/// What knows the user and the password for one registry.
///
/// # Contract
/// 1. It is asked before each request: it remembers what it found for as long as that is good.
/// 2. `fresh` says that what it gave before was refused: it must not give the same again if it can find another.
/// 3. It never gives what it knows to be expired.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Who asks; `None` for nobody in particular.
    ///
    /// # Errors
    /// `Denied` when it knows that nothing it has is good; what its source fails with. No message shows the password.
    async fn get(&self, fresh: bool) -> Result<Option<Login>>;

    /// What to do next when the registry does not let in who asks: sentences in the imperative, most useful first. They
    /// are the [hints](crate::Error::hints) of such an error.
    fn advice(&self) -> &'static [&'static str] {
        &["log in with `docker login`; a password that is kept may be wrong, expired, or not enough"]
    }
}

/// A user and a password, or what stands for one, such as a token.
///
/// It is also the simplest [`Credentials`]: always the same.
///
/// ```
/// use infra_sdk::SecretValue;
/// use infra_sdk::registry::Login;
/// let login = Login::new("ci", SecretValue::new("hunter2"));
/// assert!(!format!("{login:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user; `<token>` where the password is an identity token of OAuth, as Docker marks it.
    pub user: String,
    /// The password.
    pub password: SecretValue,
}

impl Login {
    /// A user and a password.
    pub fn new(user: impl Into<String>, password: SecretValue) -> Self {
        Login { user: user.into(), password }
    }

    /// Whether the password is to be exchanged for tokens and is no password itself.
    pub(super) fn is_identity_token(&self) -> bool {
        self.user == "<token>"
    }
}

#[async_trait]
impl Credentials for Login {
    async fn get(&self, _: bool) -> Result<Option<Login>> {
        Ok(Some(self.clone()))
    }
}

/// Nobody in particular: what a registry shows to everybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

#[async_trait]
impl Credentials for Anonymous {
    async fn get(&self, _: bool) -> Result<Option<Login>> {
        Ok(None)
    }
}
