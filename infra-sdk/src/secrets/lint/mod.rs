//! Where other programs read a line of `.env` differently, and how.

mod bash;
mod bash_ansi;
mod bash_braces;
mod bash_command;
mod bash_expand;
mod bash_syntax;
mod bash_word;
mod check;
mod compose;
mod compose_variables;
mod cure;
mod godotenv;
mod how;
mod node;
mod python;
mod reading;
mod report;
#[cfg(test)]
mod vectors;

pub use check::{lint, lint_files};
pub use reading::{Reader, Reading, Readings};
pub use report::{LintFinding, LintRefusal, LintReport};
