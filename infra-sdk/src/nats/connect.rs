//! One connection to NATS for a whole process, made when it is first needed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, ContextBuilder};
use async_nats::{Client, ConnectOptions, Event};
use tokio::sync::OnceCell;

use crate::error::Result;
use crate::nats::auth::Auth;
use crate::nats::denials::Denials;
use crate::nats::target::Target;
use crate::nats::{fault, version};

/// How long connecting to one server may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer of JetStream may take; a healthy server takes a millisecond.
const ANSWER: Duration = Duration::from_secs(5);

/// The longest pause before a broken connection is made again: leases last for seconds, and the library would pause for four.
const AGAIN: Duration = Duration::from_millis(500);

/// NATS as one program reaches it. Clones share the connection: accounts are counted by connections
/// (Synadia's free ones have ten), so a process has one.
#[derive(Clone)]
pub struct Nats {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    name: String,
    client: OnceCell<Client>,
    denials: Denials,
}

impl Nats {
    /// NATS at `target`, shown to the server's operators as `name`. No connection is made yet.
    pub fn new(target: Target, name: impl Into<String>) -> Self {
        let (name, client, denials) = (name.into(), OnceCell::new(), Denials::default());
        Nats { shared: Arc::new(Shared { target, name, client, denials }) }
    }

    /// Where and as whom.
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// What the server said that no call heard.
    pub(super) fn denials(&self) -> &Denials {
        &self.shared.denials
    }

    /// The connection; it is made again by itself when it breaks.
    ///
    /// # Errors
    /// `Unavailable` when no server answers, `Denied` when it refuses who asks; each with what to do.
    pub(super) async fn client(&self) -> Result<&Client> {
        self.shared.client.get_or_try_init(|| self.connect()).await
    }

    /// The connection, if it was made.
    pub(super) fn made(&self) -> Option<&Client> {
        self.shared.client.get()
    }

    /// The connection; where it is made only now, the servers are tried in this order.
    ///
    /// # Errors
    /// As for [`client`](Self::client).
    pub(super) async fn client_by(&self, servers: &[String]) -> Result<&Client> {
        let options = || self.options().retain_servers_order();
        self.shared.client.get_or_try_init(|| self.connect_to(servers, options())).await
    }

    /// JetStream on the connection.
    ///
    /// # Errors
    /// As for the connection, and `Unavailable` for a server that is too old.
    pub(super) async fn jetstream(&self) -> Result<jetstream::Context> {
        let client = self.client().await?.clone();
        version::require(&client.server_info().version)?;
        Ok(self.jetstream_within(client, ANSWER))
    }

    /// JetStream whose answers are waited for so long.
    pub(super) fn jetstream_within(&self, client: Client, answer: Duration) -> jetstream::Context {
        let builder = ContextBuilder::new().timeout(answer).ack_timeout(answer);
        let target = self.target();
        match (&target.api_prefix, &target.domain) {
            (Some(prefix), _) => builder.api_prefix(&prefix.value).timeout(answer).build(client),
            (None, Some(domain)) => builder.domain(&domain.value).timeout(answer).build(client),
            (None, None) => builder.build(client),
        }
    }

    /// Connects anew, apart from the connection that is shared: for a probe that wants to see it happen.
    pub(super) async fn connect(&self) -> Result<Client> {
        self.connect_to(&self.target().servers.value, self.options()).await
    }

    async fn connect_to(&self, servers: &[String], options: ConnectOptions) -> Result<Client> {
        let start = Instant::now();
        let connected = options.connect(servers).await;
        connected.map_err(|error| fault::unconnected(self.target(), &error, &self.denials().since(start)))
    }

    fn options(&self) -> ConnectOptions {
        let (target, denials) = (self.target(), self.denials().clone());
        let mut options = ConnectOptions::new()
            .name(&self.shared.name)
            .connection_timeout(CONNECT)
            .request_timeout(Some(ANSWER))
            .reconnect_delay_callback(|attempts| AGAIN.min(Duration::from_millis(1 << attempts.min(16))))
            .event_callback(move |event| {
                match event {
                    Event::ServerError(error) => denials.note(error.to_string()),
                    Event::ClientError(error) => denials.note(error.to_string()),
                    _ => {}
                }
                std::future::ready(())
            });
        options = match &target.auth.value {
            Auth::Anonymous => options,
            Auth::Jwt { jwt, seed } => {
                let seed = seed.clone();
                options.jwt(jwt.clone(), move |nonce| {
                    let signed = nkeys::KeyPair::from_seed(seed.expose()).and_then(|pair| pair.sign(&nonce));
                    std::future::ready(signed.map_err(async_nats::AuthError::new))
                })
            }
            Auth::Nkey { seed } => options.nkey(seed.expose().to_owned()),
            Auth::Password { user, password } => {
                options.user_and_password(user.clone(), password.expose().to_owned())
            }
            Auth::Token(token) => options.token(token.expose().to_owned()),
        };
        if let Some(ca) = &target.ca {
            options = options.add_root_certificates(ca.value.clone());
        }
        if let Some(pair) = &target.cert {
            options = options.add_client_certificate(pair.value.0.clone(), pair.value.1.clone());
        }
        if target.tls_first.value {
            options = options.tls_first();
        }
        if let Some(prefix) = &target.inbox_prefix {
            options = options.custom_inbox_prefix(&prefix.value);
        }
        options
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("target", self.target()).finish_non_exhaustive()
    }
}
