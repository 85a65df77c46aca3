//! The client against a service that answers every wrong thing a service can.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Api, Auth, Method, Path};
use crate::mask::Masks;
use crate::secret::SecretValue;

/// A service for one request: answers `answer` and ends the connection, or hangs where there is none.
struct Service {
    base: String,
    thread: JoinHandle<(String, TcpListener)>,
}

impl Service {
    fn start(answer: Option<String>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Until the client has had enough of it.
                None => drop(stream.read(&mut [0])),
            }
            (request, listener)
        });
        Service { base, thread }
    }

    /// The request that came, after making sure that it was the only one.
    async fn request(self) -> String {
        // On another thread, for the client ends its connections on this one.
        let joined = tokio::task::spawn_blocking(|| self.thread.join().unwrap());
        let (request, listener) = joined.await.unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "there was a second request");
        request
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the request ended early: {text}");
        request.extend_from_slice(&piece[..count]);
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    ))
}

fn api(base: &str) -> Api {
    let auth = Auth::Bearer(SecretValue::new("canary-token"));
    Api::new("Fake", base, auth, &[("accept", "application/json")]).unwrap()
}

async fn put(service: &Service) -> Result<Answer> {
    let api = api(&service.base).timeout(Duration::from_secs(2));
    let masks = Masks::new();
    masks.add(&SecretValue::new("canary-body"));
    let path = Path::of(&["things", "a b"]).unwrap();
    api.call(Method::Put, &path).json(&["canary-body"]).masking(&masks).send().await
}

async fn refused(text: Option<String>) -> Error {
    let service = Service::start(text);
    let error = put(&service).await.map(|answer| answer.status()).unwrap_err();
    service.request().await;
    let shown = format!("{error:?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("PUT /things/a%20b") && !error.hints().is_empty(), "{shown}");
    error
}

#[tokio::test]
async fn a_request_carries_token_headers_query_and_body_and_its_answer_is_read() {
    let headers = "etag: W/\"x\"\r\nlink: <http://elsewhere/?page=2>; rel=\"next\", <y>; rel=\"last\"\r\n";
    let service = Service::start(answer("200 OK", headers, "{\"count\": 3}"));
    let api = api(&service.base);
    let call = api.call(Method::Patch, &Path::of(&["a", "b/c"]).unwrap());
    let call = call.query("per page", 100).query("q", "a&b=c").header("if-none-match", "W/\"y\"");
    let answer = call.json_as("application/merge-patch+json", &[1]).send().await.unwrap();
    assert_eq!((answer.status(), answer.is_unchanged(), answer.has_next()), (200, false, true));
    assert_eq!(answer.etag(), Some("W/\"x\""));
    assert_eq!(answer.json::<std::collections::BTreeMap<String, u8>>().unwrap()["count"], 3);
    let request = service.request().await;
    assert!(request.starts_with("PATCH /v1/a/b%2Fc?per%20page=100&q=a%26b%3Dc HTTP/1.1\r\n"), "{request}");
    for line in [
        "authorization: Bearer canary-token",
        "accept: application/json",
        "content-type: application/merge-patch+json",
        "if-none-match: W/\"y\"",
        "user-agent: infra-sdk/",
    ] {
        assert_eq!(request.matches(line).count(), 1, "{line} in {request}");
    }
    assert!(request.ends_with("\r\n\r\n[1]") && !format!("{api:?}").contains("canary"));
}

#[tokio::test]
async fn an_unchanged_answer_is_not_an_error() {
    let service = Service::start(Some("HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".into()));
    assert!(put(&service).await.unwrap().is_unchanged());
}

#[tokio::test]
async fn each_refusal_has_its_kind_and_only_what_may_go_away_is_retryable() {
    for (status, kind, retryable) in [
        ("500 Oops", ErrorKind::Unavailable, true),
        ("503 Busy", ErrorKind::Unavailable, true),
        ("429 Slow", ErrorKind::Unavailable, true),
        ("401 Who", ErrorKind::Denied, false),
        ("403 No", ErrorKind::Denied, false),
        ("404 None", ErrorKind::NotFound, false),
        ("409 Twice", ErrorKind::Conflict, false),
        ("400 Bad", ErrorKind::Invalid, false),
        ("422 Bad", ErrorKind::Invalid, false),
        ("302 Else", ErrorKind::Invalid, false),
    ] {
        let headers = "x-github-request-id: AB:12\r\nlocation: http://127.0.0.1:1/\r\n";
        let body = r#"{"message": "no\n\u001b[2J canary-body canary-token", "errors": [{"code": 100117, "message": "why"}]}"#;
        let error = refused(answer(status, headers, body)).await;
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
        let text = error.to_string();
        for part in [&status[..3], "request id: AB:12", "no  [2J *** ***; why", "code: 100117"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert!(!text.contains(char::is_control));
    }
}

#[tokio::test]
async fn a_wish_to_slow_down_is_told_from_a_refusal_and_keeps_its_time() {
    let secondary = r#"{"message": "You have exceeded a secondary rate limit."}"#;
    let reset = std::time::SystemTime::now() + Duration::from_secs(100);
    let reset = reset.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let left = format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {reset}\r\n");
    for (status, headers, body, seconds) in [
        ("403 No", "retry-after: 7\r\n", "{}", 7..=7),
        ("403 No", &left, "{}", 98..=102),
        ("403 No", "", secondary, 60..=60),
        ("429 No", "retry-after: 0\r\n", "<html>", 0..=0),
        ("503 No", "retry-after: 3\r\n", "", 3..=3),
    ] {
        let error = refused(answer(status, headers, body)).await;
        let after = error.throttle().unwrap().after.unwrap().as_secs();
        assert!(error.is_retryable() && seconds.contains(&after), "{after} for {error}");
    }
    assert_eq!(refused(answer("429 No", "", "{}")).await.throttle().unwrap().after, None);
    let denied = refused(answer("403 No", "x-ratelimit-remaining: 9\r\n", "{}")).await;
    assert!(denied.throttle().is_none());
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let needed = "x-accepted-github-permissions: secrets=write; environments=write,actions=read\r\n";
    for status in ["403 No", "404 No"] {
        let error = refused(answer(status, needed, "{}")).await;
        let hint = error.hints().last().unwrap();
        assert!(hint.contains("secrets=write or environments=write and actions=read"), "{hint}");
    }
}

#[tokio::test]
async fn what_is_not_a_whole_json_answer_is_said_to_be_none() {
    let html = "content-type: text/html\r\n";
    let text = refused(answer("502 Bad", html, "<h1>canary</h1>")).await.to_string();
    assert!(text.contains("body: text/html, 15 bytes"), "{text}");

    let read = async |answer: Option<String>| {
        let service = Service::start(answer);
        put(&service).await.unwrap().json::<Vec<u8>>().unwrap_err()
    };
    let error = read(answer("200 OK", html, "<h1>canary</h1>")).await;
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable());
    assert!(format!("{error:?}").contains("text/html") && !format!("{error:?}").contains("canary"));
    let error = read(answer("200 OK", "content-type: text/plain\r\n", "[1,")).await;
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable());
    let error = read(answer("200 OK", "", "[\"canary\"]")).await;
    assert!(error.kind() == ErrorKind::Invalid && !format!("{error:?}").contains("canary"));
    assert!(!error.hints().is_empty());
}

#[tokio::test]
async fn half_an_answer_no_answer_and_no_service_may_go_away() {
    for half in ["HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n[1, 2", "HTTP/1.1 200 OK\r\ncont", ""] {
        let error = refused(Some(half.into())).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error:?}");
    }
    let begin = Instant::now();
    let error = refused(None).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::TimedOut, true), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(20));

    // Taken and given back: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = api(&format!("http://{free}"));
    let error = api.call(Method::Get, &Path::of(&["x"]).unwrap()).send().await.map(drop).unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains(&free.to_string()));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let body = "x".repeat(17 << 20);
    let service = Service::start(answer("200 OK", "", &body));
    let error = put(&service).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("more than can be true"), "{error}");
}

#[test]
fn a_token_that_no_header_can_carry_is_refused_without_being_shown() {
    for token in ["", " ", "can ary", " canary", "canary\n", "canary\0"] {
        let auth = Auth::Bearer(SecretValue::new(token));
        let error = Api::new("Fake", "https://example.com", auth, &[]).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && !format!("{error:?}").contains("canary"));
    }
}
