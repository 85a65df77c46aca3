//! What a product repo pays for, and what must not compile.

mod budget;
mod cloudflare_crate;
mod consumer;
mod misuse;
mod readme;
