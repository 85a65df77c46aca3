//! Talking to services over HTTP: one client, one way to fail.
