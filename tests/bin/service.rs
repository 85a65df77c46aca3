//! A small HTTP service for rollouts: healthy, or broken in the way the variable `BROKEN` says.
//!
//! - `BROKEN=exit` ends at once, `BROKEN=hang` never answers, `BROKEN=503` answers so, `BROKEN=crash` ends on `/crash` only;
//! - `SAY=A,B` prints the values of these variables at the start;
//! - `GET /healthz` answers 200, `GET /env?NAME` the variable's value or 404, `GET /names` the names of all variables.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

#[expect(clippy::disallowed_methods, reason = "a service reads its own environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "a service reads its own environment")]
fn names() -> String {
    let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    names.sort();
    names.join("\n")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broken = variable("BROKEN").unwrap_or_default();
    for name in variable("SAY").unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        println!("{name} is {}", variable(name).unwrap_or_default());
    }
    if broken == "exit" {
        eprintln!("cannot reach the database");
        std::process::exit(7);
    }
    let port: u16 = variable("PORT").ok_or("PORT is not set")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on {port}");
    let mut held = Vec::new();
    for stream in listener.incoming() {
        let stream = stream?;
        if broken == "hang" {
            // Kept open, so that the other side waits for an answer.
            held.push(stream);
        } else if let Err(error) = answer(stream, &broken) {
            eprintln!("a request broke off: {error}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream, broken: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The rest of the request must be read, or closing the socket would reset it.
    for line in lines.by_ref() {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (code, body) = match path.split_once('?').unwrap_or((path, "")) {
        ("/crash", _) => std::process::exit(9),
        ("/healthz", _) if broken == "503" => (503, "warming up".to_owned()),
        ("/healthz", _) => (200, "ok".to_owned()),
        ("/names", _) => (200, names()),
        ("/env", name) => variable(name).map_or((404, String::new()), |value| (200, value)),
        _ => (404, String::new()),
    };
    write!(stream, "HTTP/1.1 {code} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
