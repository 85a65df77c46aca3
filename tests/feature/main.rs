//! What a product repo pays for, and what must not compile.

mod budget;
mod consumer;
mod misuse;
mod readme;
