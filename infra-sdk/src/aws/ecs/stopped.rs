//! Why tasks of a release stopped, in the words of ECS, and what to do about it.

use aws_sdk_ecs::types::{Container, Task};

use crate::aws::ecs::definition::revision_of;
use crate::aws::meaning::one_line;
use crate::deploy::ReleaseId;
use crate::time::Timestamp;

/// What ECS says, and what helps. Its words:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>.
const CURES: [(&str, &str); 8] = [
    (
        "CannotPullContainerError",
        "look whether the image is in the registry, and let the task's execution role pull it: \
         ecr:GetAuthorizationToken, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer, and a way to the registry from its subnet",
    ),
    (
        "unable to pull secrets",
        "let the task's execution role read them: ssm:GetParameters or secretsmanager:GetSecretValue, and kms:Decrypt for \
         a key of your own, with a way to those services from its subnet",
    ),
    ("unable to retrieve secret", "let the task's execution role read it: secretsmanager:GetSecretValue"),
    ("OutOfMemory", "give the task more memory, or let the service use less"),
    (
        "failed ELB health checks",
        "look whether the service answers the health path of its target group on the right port",
    ),
    (
        "failed container health checks",
        "run the health check's command in the container, and give it a longer start period",
    ),
    ("exec format error", "build the image for the machines of the service: `platforms` of `[image.NAME]`"),
    ("Host EC2", "an instance ended under it: this is no fault of the release, so roll out again"),
];

/// Tasks that stopped for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// How many.
    pub(super) tasks: usize,
    /// The reason.
    pub(super) why: String,
    /// When the last of them stopped.
    pub(super) last: Option<Timestamp>,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.tasks {
            1 => write!(f, "a task stopped: {}", self.why),
            many => write!(f, "{many} tasks stopped: {}", self.why),
        }
    }
}

impl Stop {
    /// What helps against it.
    pub(super) fn cure(&self) -> Option<&'static str> {
        CURES.iter().find(|(mark, _)| self.why.contains(mark)).map(|(_, cure)| *cure)
    }
}

/// The reasons for which tasks of `release` stopped, the newest first; those that ended because a deployment or a person
/// wanted it are left out. `since` leaves out what belongs to an earlier time of the same release.
pub(super) fn stops(tasks: &[Task], release: &ReleaseId, since: Option<Timestamp>) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    for task in tasks {
        let of_release = task.task_definition_arn().and_then(revision_of).as_ref() == Some(release);
        let created = task.created_at().and_then(time);
        let earlier = since.zip(created).is_some_and(|(since, created)| created < since);
        let reason = task.stopped_reason().unwrap_or_default();
        if !of_release || earlier || is_wanted(task, reason) {
            continue;
        }
        let why = why(reason, task.containers());
        let last = task.stopped_at().or_else(|| task.stopping_at()).and_then(time);
        match stops.iter_mut().find(|stop| stop.why == why) {
            Some(stop) => {
                stop.tasks += 1;
                stop.last = stop.last.max(last);
            }
            None => stops.push(Stop { tasks: 1, why, last }),
        }
    }
    stops.sort_by_key(|stop| std::cmp::Reverse(stop.last));
    stops
}

fn is_wanted(task: &Task, reason: &str) -> bool {
    let code = task.stop_code().map(|code| code.as_str());
    code == Some("ServiceSchedulerInitiated") && !reason.contains("fail")
        || code == Some("UserInitiated")
        || reason.starts_with("Scaling activity initiated by")
}

fn why(reason: &str, containers: &[Container]) -> String {
    let of_container = |container: &Container| {
        let name = container.name().unwrap_or("a container");
        let said = match (container.reason(), container.exit_code()) {
            (Some(reason), Some(code)) => format!("{reason}, exit code {code}"),
            (Some(reason), None) => reason.to_owned(),
            (None, Some(code)) if code != 0 => format!("exit code {code}"),
            _ => return None,
        };
        // The reason of the task repeats that of its container where there is one.
        (!reason.contains(&said)).then(|| format!("{name}: {said}"))
    };
    let inside: Vec<String> = containers.iter().filter_map(of_container).collect();
    let reason = if reason.is_empty() { "ECS gives no reason" } else { reason.trim_end_matches('.') };
    // A task's id would make every reason another one.
    one_line(&if inside.is_empty() { reason.to_owned() } else { format!("{reason} ({})", inside.join("; ")) })
}

pub(super) fn time(time: &aws_sdk_ecs::primitives::DateTime) -> Option<Timestamp> {
    std::time::SystemTime::try_from(*time).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::primitives::DateTime;
    use aws_sdk_ecs::types::TaskStopCode;

    use super::*;

    fn task(revision: u8, second: i64, code: TaskStopCode, reason: &str, exit: Option<i32>) -> Task {
        let container = Container::builder().name("app").set_exit_code(exit).build();
        Task::builder()
            .task_definition_arn(format!("arn:aws:ecs:a-1:1:task-definition/web:{revision}"))
            .created_at(DateTime::from_secs(second))
            .stopped_at(DateTime::from_secs(second + 1))
            .stop_code(code)
            .stopped_reason(reason)
            .containers(container)
            .build()
    }

    #[test]
    fn equal_reasons_are_counted_and_wanted_ends_are_left_out() {
        use TaskStopCode::{EssentialContainerExited, ServiceSchedulerInitiated, TaskFailedToStart};
        let pull = "CannotPullContainerError: manifest unknown";
        let tasks = [
            task(7, 10, EssentialContainerExited, "Essential container in task exited", Some(1)),
            task(7, 20, EssentialContainerExited, "Essential container in task exited", Some(1)),
            task(7, 30, TaskFailedToStart, pull, None),
            task(
                7,
                40,
                ServiceSchedulerInitiated,
                "Scaling activity initiated by (deployment ecs-svc/1)",
                None,
            ),
            task(7, 5, TaskFailedToStart, "too early", None),
            task(6, 50, TaskFailedToStart, "of another release", None),
            task(
                7,
                15,
                ServiceSchedulerInitiated,
                "Task failed ELB health checks in (target-group x)",
                Some(0),
            ),
        ];
        let since = time(&DateTime::from_secs(8));
        let stops = stops(&tasks, &"web:7".parse().unwrap(), since);
        let told: Vec<String> = stops.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a task stopped: CannotPullContainerError: manifest unknown",
                "2 tasks stopped: Essential container in task exited (app: exit code 1)",
                "a task stopped: Task failed ELB health checks in (target-group x)",
            ]
        );
        assert!(stops[0].cure().unwrap().contains("ecr:BatchGetImage") && stops[1].cure().is_none());
    }

    #[test]
    fn a_reason_stays_on_its_line() {
        assert_eq!(why("a\nb.", &[]), "a b");
        assert_eq!(why("", &[]), "ECS gives no reason");
    }
}
