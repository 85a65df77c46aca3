//! What happened, told to whoever listens: CloudEvents on a bus.

mod bus;
mod event;
mod source;
pub mod vocabulary;

pub use bus::{Cursor, EventBus, Published, Query};
pub use event::Event;
pub use source::Source;
