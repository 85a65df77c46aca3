//! The types of events this crate publishes; a new meaning gets a new word, never a changed one.
//!
//! Those of a deploy stand for these of [CDEvents](https://cdevents.dev/docs/continuous-deployment/), for whoever passes
//! them on: `deploy.done` is `service.deployed` or `service.upgraded`, `deploy.rolled-back` is `service.rolledback`,
//! `stack.applied` is `environment.modified`.

/// A deploy began; data: what is known of its release, image digest, commit and actor.
pub const DEPLOY_START: &str = "deploy.start";
/// A deploy came to its next step; data: the step, in words, and the release.
pub const DEPLOY_STEP: &str = "deploy.step";
/// A deploy goes on without a new step, as every half a minute tells; data: the step that it is at.
pub const DEPLOY_HEARTBEAT: &str = "deploy.heartbeat";
/// A deploy ended and the new release serves.
pub const DEPLOY_DONE: &str = "deploy.done";
/// A deploy ended without a new release serving; data: why, and the release that failed.
pub const DEPLOY_FAILED: &str = "deploy.failed";
/// A deploy was stopped by a person or by another failure.
pub const DEPLOY_CANCELLED: &str = "deploy.cancelled";
/// The release before serves again, after a deploy that failed or was stopped, as is told next; data: that release.
pub const DEPLOY_ROLLED_BACK: &str = "deploy.rolled-back";
/// A deploy over several repos began; data: run, repos.
pub const RUN_START: &str = "run.start";
/// A repo of such a run is in its last state; data: run, repo, state, attempt.
pub const RUN_STEP: &str = "run.step";
/// Every repo of a run is deployed; data: run, how many repos are in which state.
pub const RUN_DONE: &str = "run.done";
/// A run ended, and a repo failed.
pub const RUN_FAILED: &str = "run.failed";
/// A run was cancelled by a person.
pub const RUN_CANCELLED: &str = "run.cancelled";
/// A stack was applied; data: stack, counts of what changed.
pub const STACK_APPLIED: &str = "stack.applied";
/// References were published; data: path and the names that changed, never values.
pub const REFS_PUBLISHED: &str = "refs.published";
/// Secrets were written; data: names, never values.
pub const SECRETS_CHANGED: &str = "secrets.changed";
