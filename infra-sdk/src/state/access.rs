//! The keys by which a store of objects knows who asks, where they are not those of the cloud around it.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::SecretValue;

/// A pair of keys, as S3's protocol has them.
#[derive(Clone, Debug)]
pub struct ObjectKeys {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: SecretValue,
}

/// Whoever has the keys of a store of objects.
///
/// # Contract
/// - It gives the same keys each time. They are found once, when they are first asked for, and written nowhere.
#[async_trait]
pub trait KeySource: std::fmt::Debug + Send + Sync {
    /// The keys.
    ///
    /// # Errors
    /// `Denied` when there are none, or they are not good any more; what asking for them fails with.
    async fn keys(&self) -> Result<ObjectKeys>;
}

/// Keys that are known already.
#[async_trait]
impl KeySource for ObjectKeys {
    async fn keys(&self) -> Result<ObjectKeys> {
        Ok(self.clone())
    }
}
