//! Where NATS is and as whom: contexts of the `nats` command line, variables, `infra.toml`, and TLS, each tried on a server.

use std::path::Path;

use infra_sdk::config::{Config, Nats as Settings};
use infra_sdk::health::State;
use infra_sdk::infra::{Host, Infra};
use infra_sdk::nats::{Nats, Target};
use infra_sdk::{Env, Result};
use support::{NatsServer, Run, Scratch, tool};

use crate::nats_health::{check, probe};

/// A configuration folder with these contexts, the first one selected.
fn contexts(all: &[(&str, String)]) -> Scratch {
    let scratch = Scratch::new("nats-context");
    scratch.write("nats/context.txt", all[0].0);
    for (name, json) in all {
        let file = scratch.write(&format!("nats/context/{name}.json"), json);
        private(&file);
    }
    scratch
}

fn private(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
    #[cfg(not(unix))]
    let _ = file;
}

fn resolve(scratch: &Scratch, variables: &[(&str, &str)], settings: &Settings) -> Result<Target> {
    let home = scratch.path().display().to_string();
    let own = [("XDG_CONFIG_HOME", home.as_str())];
    let variables = own.iter().chain(variables).copied();
    Target::resolve(&Env::of(variables, scratch.path()), settings, scratch.path())
}

async fn connects(target: Target) -> bool {
    let health = check(&Nats::new(target, "test")).await;
    probe(&health, "connect").state == State::Ok
}

#[tokio::test]
async fn each_way_to_say_who_asks_is_let_in_and_a_wrong_one_is_not() {
    let user = nkeys::KeyPair::new_user();
    let seed = user.seed().expect("a new user has one");
    let server = NatsServer::start_with(&format!(
        "authorization {{ users: [ {{ user: ada, password: \"s3cret\" }}, {{ nkey: {} }} ] }}",
        user.public_key()
    ));
    let token = NatsServer::start_with("authorization { token: \"w0rd\" }");
    let (url, token_url) = (server.url(), token.url());
    let scratch = contexts(&[
        ("ada", format!("{{\"url\": \"{url}\", \"user\": \"ada\", \"password\": \"s3cret\"}}")),
        ("ben", format!("{{\"url\": \"{url}\", \"user\": \"ada\", \"password\": \"env:PW\"}}")),
        ("cid", format!("{{\"url\": \"{token_url}\", \"token\": \"w0rd\"}}")),
        ("dot", format!("{{\"url\": \"{token_url}\", \"user\": \"w0rd\"}}")),
        ("eve", format!("{{\"url\": \"{url}\", \"user\": \"ada\", \"password\": \"guess\"}}")),
        ("fay", format!("{{\"url\": \"{url}\", \"nkey\": \"~/fay.nk\"}}")),
    ]);
    private(&scratch.write("fay.nk", &seed));
    let home = scratch.path().display().to_string();
    let pw = [("PW", "s3cret"), ("HOME", home.as_str())];
    let context = |name: &str| Settings { context: Some(name.to_owned()), ..Settings::default() };
    for (name, let_in) in
        [("ada", true), ("ben", true), ("cid", true), ("dot", true), ("eve", false), ("fay", true)]
    {
        let target = resolve(&scratch, &pw, &context(name)).expect("the context can be meant");
        assert!(target.servers.origin.to_string().contains(name), "{target:?}");
        assert_eq!(connects(target).await, let_in, "{name}");
    }
    // The selected one, where nobody names another.
    let selected = resolve(&scratch, &[], &Settings::default()).expect("ada is selected");
    assert_eq!(selected.identity().value, "user and password");
    assert!(connects(selected).await);
    // infra.toml before the context, a variable before both.
    let own = Settings { url: Some(url.clone()), nkey: Some("fay.nk".into()), ..Settings::default() };
    let target = resolve(&scratch, &[], &own).expect("the settings can be meant");
    assert_eq!(
        (target.identity().value, target.identity().origin.to_string().as_str()),
        ("nkey", "infra.toml")
    );
    assert!(connects(target).await);
    let by_variable = [("NATS_USER", "ada"), ("NATS_PASSWORD", "s3cret")];
    let target = resolve(&scratch, &by_variable, &own).expect("the settings can be meant");
    assert_eq!(target.identity().origin.to_string(), "NATS_USER");
    assert!(connects(target).await);
    let inside = url.replace("nats://", "nats://ada:s3cret@");
    let target =
        resolve(&scratch, &[("NATS_URL", &inside)], &Settings::default()).expect("an address may say it");
    assert!(!target.address().contains("s3cret"));
    assert!(connects(target).await);
}

#[test]
fn nothing_that_is_shown_of_a_target_is_secret() {
    let scratch = contexts(&[
        ("a", r#"{"url": "nats://h", "user": "ada", "password": "canary-pw"}"#.into()),
        ("b", r#"{"url": "nats://h", "token": "canary-token"}"#.into()),
    ]);
    for name in ["a", "b"] {
        let settings = Settings { context: Some(name.into()), ..Settings::default() };
        let target = resolve(&scratch, &[], &settings).expect("it can be meant");
        let shown = format!("{target:?} {} {}", serde_json::json!(target), target.identity().value);
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn who_asks_is_hidden_in_what_children_print_from_when_the_environment_is_opened() {
    let seed = nkeys::KeyPair::new_user().seed().expect("a seed");
    let scratch = contexts(&[
        ("a", r#"{"url": "nats://h", "user": "ada", "password": "canary-pw"}"#.into()),
        ("b", r#"{"url": "nats://h", "token": "canary-token"}"#.into()),
        ("c", r#"{"url": "nats://h", "nkey": "~/c.nk"}"#.into()),
    ]);
    private(&scratch.write("c.nk", &seed));
    let home = scratch.path().display().to_string();
    for (name, secret) in [("a", "canary-pw"), ("b", "canary-token"), ("c", seed.as_str())] {
        let text = format!(
            "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[env.staging]\nnats = {{ context = \"{name}\" }}\n"
        );
        let config = Config::of_text(&text, scratch.path(), "staging").expect("it can be read");
        let vars = [
            ("INFRA_HOME", home.as_str()),
            ("XDG_CONFIG_HOME", &home),
            ("HOME", &home),
            ("NATS_TOKEN", "another-token"),
        ];
        // The variable goes before every context: it is hidden, and so is what a context says without it.
        for (vars, secret) in [(&vars[..], "another-token"), (&vars[..3], secret)] {
            let host = Host::silent();
            let masks = host.masks.clone();
            drop(Infra::open(&Env::of(vars.iter().copied(), "/"), config.clone(), host).expect("it opens"));
            let printed = format!("connecting with {secret}");
            assert_eq!(masks.apply(&printed), "connecting with ***", "{name}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_that_others_may_read_is_degraded_and_works() {
    use std::os::unix::fs::PermissionsExt as _;
    let server =
        NatsServer::start_with("authorization { token: \"w0rd\" }\njetstream { store_dir: \"{store}\" }");
    let beside = format!("{{\"url\": \"{}\", \"token\": \"w0rd\"}}", server.url());
    let inside = format!("{{\"url\": \"{}\"}}", server.url().replace("://", "://w0rd@"));
    for text in [beside, inside] {
        let scratch = contexts(&[("a", text)]);
        let file = scratch.join("nats/context/a.json");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
        let nats = Nats::new(resolve(&scratch, &[], &Settings::default()).expect("it can be meant"), "test");
        let health = check(&nats).await;
        let target = probe(&health, "target");
        assert_eq!(target.state, State::Degraded, "{health}");
        assert!(target.hints[0].starts_with("chmod 600") && target.hints[0].contains("a.json"), "{health}");
        assert_eq!(probe(&health, "connect").state, State::Ok, "{health}");
    }
}

#[test]
fn settings_that_contradict_or_are_not_supported_are_refused_by_name() {
    let scratch = contexts(&[("a", r#"{"url": "nats://h", "creds": "op://vault/item"}"#.into())]);
    let own = |change: fn(&mut Settings)| {
        let mut settings = Settings { url: Some("nats://h".into()), ..Settings::default() };
        change(&mut settings);
        resolve(&scratch, &[], &settings).expect_err("it cannot be meant").report().to_string()
    };
    for (report, says) in [
        (
            own(|s| {
                s.creds = Some("a".into());
                s.nkey = Some("b".into());
            }),
            "both `creds` and `nkey`",
        ),
        (own(|s| s.cert = Some("a".into())), "only one of a client's certificate"),
        (own(|s| s.ca = Some("none.pem".into())), "there is no ca file"),
        (own(|s| s.creds = Some("none.creds".into())), "there is no creds file"),
        (own(|s| s.creds = Some("env://NOT_SET".into())), "`NOT_SET` is not set"),
        (own(|s| s.url = Some("nats://ada:pw@h".into())), "everybody can read"),
        (own(|s| s.url = Some("ws://h".into())), "not supported"),
        (own(|s| s.inbox_prefix = Some("mine\r\nPUB x 0".into())), "cannot begin a subject"),
        (own(|s| s.domain = Some("a.*".into())), "cannot begin a subject"),
        (own(|s| s.context = Some("b".into())), "no NATS context"),
        (own(|s| s.context = Some("a".into())), "1Password"),
    ] {
        assert!(report.contains(says), "{says:?} is not in\n{report}");
    }
}

/// An authority, a server's certificate for this machine, and a client's, made by Python's `cryptography`.
fn certificates(scratch: &Scratch) {
    let script = "
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
def name(text): return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
now = datetime.datetime.now(datetime.timezone.utc)
def make(who, issuer, issuer_key, is_ca):
    key = ec.generate_private_key(ec.SECP256R1())
    made = (x509.CertificateBuilder().subject_name(name(who)).issuer_name(name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True))
    if not is_ca:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName('localhost'), x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]), critical=False)
    made = made.sign(issuer_key or key, hashes.SHA256())
    folder = sys.argv[1]
    open(f'{folder}/{who}.pem', 'wb').write(made.public_bytes(serialization.Encoding.PEM))
    open(f'{folder}/{who}.key', 'wb').write(key.private_bytes(serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return key
root = make('root', 'root', None, True)
make('server', 'root', root, False)
make('client', 'root', root, False)
make('stranger', 'stranger', None, True)
";
    let bin = if cfg!(windows) { "python/Scripts/python.exe" } else { "python/bin/python3" };
    let _made = Run::new(tool(bin), scratch.path())
        .args(["-c", script, &scratch.path().display().to_string()])
        .finish()
        .expect(0);
    for key in ["server.key", "client.key"] {
        private(&scratch.join(key));
    }
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own_works_and_what_fails_says_why() {
    let scratch = Scratch::new("nats-tls");
    certificates(&scratch);
    let path = |name: &str| scratch.join(name).display().to_string();
    let block = |more: &str| {
        format!(
            "jetstream {{ store_dir: \"{{store}}\" }}\ntls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", {more} }}",
            path("server.pem"),
            path("server.key"),
            path("root.pem")
        )
    };
    let plain = NatsServer::start_with(&block(""));
    let mutual = NatsServer::start_with(&block("verify: true"));
    let first = NatsServer::start_with(&block("handshake_first: true"));
    let settings = |server: &NatsServer, ca: Option<&str>, client: bool| Settings {
        url: Some(server.url().replace("nats://", "tls://")),
        ca: ca.map(path),
        cert: client.then(|| path("client.pem")),
        key: client.then(|| path("client.key")),
        ..Settings::default()
    };
    let early = Settings { tls_first: true, ..settings(&first, Some("root.pem"), false) };
    let late = Settings { tls_first: false, ..early.clone() };
    for (settings, says) in [
        (settings(&plain, Some("root.pem"), false), None),
        (settings(&mutual, Some("root.pem"), true), None),
        (early, None),
        (
            settings(&plain, Some("stranger.pem"), false),
            Some("name the authority of the server's certificate in `ca`"),
        ),
        (settings(&mutual, Some("root.pem"), false), Some("`cert` and `key`")),
        (late, Some("tls_first = true")),
    ] {
        let target = resolve(&scratch, &[], &settings).expect("the settings can be meant");
        let health = check(&Nats::new(target, "test")).await;
        let connect = probe(&health, "connect");
        match says {
            None => assert_eq!(connect.state, State::Ok, "{health}"),
            Some(says) => {
                assert_eq!(connect.state, State::Failed, "{health}");
                let told = format!("{} {}", connect.saw, connect.hints.join(" "));
                assert!(told.contains(says), "{says:?} is not in\n{health}");
            }
        }
    }
}
