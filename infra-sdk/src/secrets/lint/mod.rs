//! Where other programs read a line of `.env` differently, and how.

mod bash;
mod bash_command;
mod bash_syntax;
mod bash_word;
mod compose;
mod compose_variables;
mod godotenv;
mod node;
mod python;
mod reading;

pub use reading::{Reader, Reading, Readings};
