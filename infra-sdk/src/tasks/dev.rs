//! `infra:dev:*`: making a checkout ready to work.

use crate::app::{Cx, Pack, TaskRef};
use crate::error::Result;
use crate::tasks::{RefsTasks, SecretsTasks, ToolsTasks};

/// The handles of `infra:dev:*`.
#[derive(Clone, Copy, Debug)]
pub struct DevTasks {
    /// Tools, secrets, references: what a repo's own `setup` stands on.
    pub setup: TaskRef<()>,
}

pub(super) fn register(
    pack: &mut Pack<'_>,
    tools: &ToolsTasks,
    secrets: &SecretsTasks,
    refs: &RefsTasks,
) -> DevTasks {
    let setup = pack
        .task("dev:setup")
        .about("Make this checkout ready: tools, secrets, references")
        .after((tools.check, secrets.setup, refs.check))
        .run(setup);
    DevTasks { setup }
}

async fn setup(_: Cx) -> Result<()> {
    Ok(())
}
