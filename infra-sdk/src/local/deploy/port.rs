//! Ports of this machine: whether one is free, and choosing one.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, ErrorKind, Result};

/// Where ports are chosen: above those of well-known services, below
/// those the system gives to outgoing connections, which would come and go on ours.
const CHOSEN: std::ops::Range<u16> = 20_000..32_000;

/// Checks that nobody listens on `port`.
pub(crate) fn check_free(port: u16) -> Result<()> {
    let error = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    Err(match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::new(ErrorKind::Conflict, format!("port {port} is taken by another program"))
                .hint(format!("end the program that listens on 127.0.0.1:{port}"))
                .hint(
                    "or set another `port` under `[deploy]` in infra.toml; without one a free port is chosen",
                )
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Denied, format!("port {port} may not be used by this user"))
                .hint("set a `port` from 1024 to 65535 under `[deploy]` in infra.toml")
        }
        _ => Error::from(error).with("port", port).hint("set another `port` under `[deploy]` in infra.toml"),
    })
}

/// Chooses a port that nobody listens on.
pub(crate) fn choose() -> Result<u16> {
    for _ in 0..64 {
        let port = CHOSEN.start + u16::from_ne_bytes(crate::id::random()?) % CHOSEN.len() as u16;
        if check_free(port).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new(ErrorKind::Unavailable, "found no free port")
        .hint("set a `port` under `[deploy]` in infra.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_both_ways_out() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = check_free(port).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains(&port.to_string()) && error.hints().len() == 2);
        drop(listener);
        check_free(port).unwrap();
    }

    #[test]
    fn a_chosen_port_is_free_and_out_of_the_systems_own_range() {
        let port = choose().unwrap();
        assert!(CHOSEN.contains(&port));
        check_free(port).unwrap();
    }
}
