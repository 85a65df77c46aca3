//! `.env` files: their grammar, reading them in layers, writing them, and changing one value in place.

mod edit;
mod file;
mod mistake;
mod parse;
mod write;

pub use edit::{append_to_dotenv, set_in_dotenv};
pub use file::{Dotenv, DotenvWarning};
pub use write::write_dotenv;

pub(super) use file::{LIMIT, layers_of};
pub(super) use parse::{Pair, parse};
