//! How deployments on the stand-in for ECS go.

/// How a deployment goes, counted in looks at the service.
#[derive(Clone, Debug)]
pub enum Course {
    /// Is complete at this look.
    Completes(u32),
    /// Never gets further than its first task.
    Stalls,
    /// A task stops for this reason at each look, and the circuit breaker ends it at the last.
    Fails {
        /// At which look.
        at: u32,
        /// The reason ECS gives for each task.
        reason: &'static str,
        /// What it says of the container, and its exit code.
        container: (&'static str, i32),
        /// Whether the circuit breaker goes back to the revision before.
        goes_back: bool,
    },
}

impl Course {
    /// An image that cannot be pulled; the deployment fails, and stays so.
    pub fn no_image() -> Self {
        let reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found";
        Course::Fails { at: 3, reason, container: ("", 0), goes_back: false }
    }

    /// A program that ends at once.
    pub fn crash(goes_back: bool) -> Self {
        let reason = "Essential container in task exited";
        Course::Fails { at: 3, reason, container: ("cannot reach the database", 1), goes_back }
    }
}
