//! The types of events this crate publishes; a new meaning gets a new word, never a changed one.

/// A deploy began; data: release, image digest, commit, actor.
pub const DEPLOY_START: &str = "deploy.start";
/// A deploy ended and the new release serves.
pub const DEPLOY_DONE: &str = "deploy.done";
/// A deploy ended without a new release serving.
pub const DEPLOY_FAILED: &str = "deploy.failed";
/// A deploy was stopped by a person or by another failure.
pub const DEPLOY_CANCELLED: &str = "deploy.cancelled";
/// The release before serves again.
pub const DEPLOY_ROLLED_BACK: &str = "deploy.rolled-back";
/// A stack was applied; data: stack, counts of what changed.
pub const STACK_APPLIED: &str = "stack.applied";
/// References were published; data: path and the names that changed, never values.
pub const REFS_PUBLISHED: &str = "refs.published";
/// Secrets were written; data: names, never values.
pub const SECRETS_CHANGED: &str = "secrets.changed";
