//! `infra:dev` with a NATS server of the repo's own: a real one.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use support::{NATS_SERVER, OLD_NATS_SERVER, tool};

use crate::dev::{Dev, kill, nothing_is_left, processes, world};
use crate::world::until;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// A `PATH` with a server of this version before everything else.
#[expect(clippy::disallowed_methods, reason = "what the test itself was started with")]
fn path(version: &str) -> String {
    let bin = tool(&format!("nats-server-{version}/bin/nats-server"));
    let bin = bin.parent().expect("it is in a folder").display().to_string();
    format!("{bin}:{}", std::env::var("PATH").unwrap_or_default())
}

/// What a server says to whoever connects.
fn info(url: &str) -> serde_json::Value {
    let stream = TcpStream::connect(url.trim_start_matches("nats://")).expect("the server listens");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("it greets");
    serde_json::from_str(line.trim_start_matches("INFO ")).expect("its greeting is JSON")
}

#[test]
fn the_server_is_there_before_the_app_and_its_streams_stay() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world = world("dev-nats", &format!("[dev]\nrun = [{SERVICE:?}]\nnats = true\n"));
    let path = path(NATS_SERVER);
    let set = [("PATH", path.as_str()), ("SAY", "NATS_URL,NATS_CREDS"), ("NATS_CREDS", "/elsewhere.creds")];
    let dev = Dev::start(&world, &set);
    let url = dev.says("app  │ NATS_URL is ");
    assert_eq!(dev.says("app  │ NATS_CREDS is "), "");
    dev.says("ready: ");
    assert!(dev.said().contains("nats │ ["), "{}", dev.said());
    let greeting = info(&url);
    assert_eq!((&greeting["jetstream"], &greeting["version"]), (&true.into(), &NATS_SERVER.into()));
    assert!(greeting["host"] == "127.0.0.1", "{greeting}");

    runtime.block_on(async {
        let client = async_nats::connect(&url).await.expect("it takes clients");
        let jetstream = async_nats::jetstream::new(client);
        let stream = async_nats::jetstream::stream::Config {
            name: "orders".into(),
            subjects: vec!["orders.>".into()],
            ..Default::default()
        };
        jetstream.create_stream(stream).await.expect("it keeps streams");
        jetstream.publish("orders.1", "one".into()).await.expect("sent").await.expect("kept");
    });
    dev.interrupt();
    nothing_is_left(&world);

    let again = Dev::start(&world, &set);
    assert_eq!(again.says("NATS_URL="), url);
    let kept = runtime.block_on(async {
        let client = async_nats::connect(&url).await.expect("it takes clients");
        let jetstream = async_nats::jetstream::new(client);
        let mut stream = jetstream.get_stream("orders").await.expect("it is still there");
        stream.info().await.expect("it tells").state.messages
    });
    assert_eq!(kept, 1);
    again.interrupt();
    nothing_is_left(&world);
}

#[test]
fn an_environment_on_this_machine_that_names_no_server_has_one_of_its_own() {
    let more = "[env.local]\nnats = {}\n[dev]\nrun = [\"sh\", \"-c\", \"echo url $NATS_URL end\"]\n";
    let world = world("dev-nats-local", more);
    let path = path(NATS_SERVER);
    let own = world.run(world.command("shop-api", &["infra:dev"]).env("PATH", &path), 0);
    assert!(own.stdout.contains("url nats://127.0.0.1:"), "{}", own.stdout);
    let elsewhere =
        world.command("shop-api", &["infra:dev"]).env("PATH", &path).env("NATS_URL", "nats://x:1");
    let elsewhere = world.run(elsewhere, 0);
    assert!(elsewhere.stdout.contains("url nats://x:1 end"), "{}", elsewhere.stdout);
    world.configure(&more.replace("{}", "{ url = \"nats://named:4222\" }"));
    let named = world.run(world.command("shop-api", &["infra:dev"]).env("PATH", &path), 0);
    assert!(named.stdout.contains("url nats://named:4222 end"), "{}", named.stdout);
    nothing_is_left(&world);
}

#[test]
fn a_server_that_ends_ends_the_app_and_is_named_as_the_cause() {
    let world = world("dev-nats-dies", &format!("[dev]\nrun = [{SERVICE:?}]\nnats = true\n"));
    let path = path(NATS_SERVER);
    let mut dev = Dev::start(&world, &[("PATH", path.as_str())]);
    dev.says("ready: ");
    let server = processes(&world).1.into_iter().find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains("nats-server")
    });
    kill(server.expect("it runs"), "KILL");
    assert_eq!(dev.code(), Some(8), "{}", dev.said());
    assert!(dev.said().contains("the NATS server ended"), "{}", dev.said());
    nothing_is_left(&world);
}

#[test]
fn a_killed_run_leaves_no_server_behind_either() {
    let world = world("dev-nats-killed", "[dev]\nnats = true\n");
    let path = path(NATS_SERVER);
    let mut dev = Dev::start(&world, &[("PATH", path.as_str())]);
    let url = dev.says("NATS_URL=");
    assert_eq!(info(&url)["jetstream"], true);
    dev.signal("KILL");
    dev.code();
    nothing_is_left(&world);
}

#[test]
fn a_server_that_is_not_there_or_does_not_start_says_what_to_do() {
    let world = world("dev-nats-missing", "[dev]\nnats = true\n");
    let nowhere = world.scratch.path().join("empty");
    std::fs::create_dir(&nowhere).expect("the scratch folder is writable");
    let missing = |world: &crate::world::World| {
        world.run(world.command("shop-api", &["infra:dev"]).env("PATH", &nowhere), 5)
    };
    missing(&world).says(&["`nats-server` is not there", "[tools.nats-server]", "nats = false"]);
    world.configure("[dev]\nnats = true\n[tools.nats-server]\nversion = \"2.15.1\"\n");
    missing(&world).says(&["infra:tools:install"]);

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    world.configure(&format!("[dev]\nnats = true\nnats_port = {port}\n"));
    let path = path(NATS_SERVER);
    let taken = world.run(world.command("shop-api", &["infra:dev"]).env("PATH", &path), 7);
    taken.says(&[&port.to_string(), "nats_port"]);

    world.scratch.write("bin/nats-server", "#!/bin/sh\necho cannot open the store >&2\nexit 1\n");
    let broken = world.scratch.path().join("bin");
    let chmod = support::Run::new("chmod", world.scratch.path()).args(["+x", "bin/nats-server"]).finish();
    drop(chmod.expect(0));
    world.configure("[dev]\nnats = true\n");
    let path = format!("{}:{path}", broken.display());
    let ended = world.run(world.command("shop-api", &["infra:dev"]).env("PATH", path), 8);
    ended.says(&["the NATS server ended", "cannot open the store"]);
    nothing_is_left(&world);
}

#[test]
fn an_old_server_is_used_with_a_warning() {
    let world = world("dev-nats-old", "[dev]\nrun = [\"true\"]\nnats = true\n");
    let old = world.run(world.command("shop-api", &["infra:dev"]).env("PATH", path(OLD_NATS_SERVER)), 0);
    old.says(&["older than 2.11"]);
    until("nothing is left", || processes(&world).1.is_empty());
}
