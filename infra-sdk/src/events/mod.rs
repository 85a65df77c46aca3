//! What happened, told to whoever listens: CloudEvents on a bus.

mod bus;
mod event;
mod permissions;
mod source;
mod store;
mod subscription;
pub mod vocabulary;

pub use bus::{Cursor, EventBus, MOST_BYTES, Page, Published, Query, Start, publish};
pub use event::Event;
pub use permissions::{Access, Permissions};
pub use source::Source;
pub use store::{AssetSetting, AssetStep, AssetsPlan, AssetsSetup, EventStore, Obstacle};
pub use subscription::{Subscription, subscribe};
