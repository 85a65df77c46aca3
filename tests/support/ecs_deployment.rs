//! How the service of the stand-in for ECS moves on: deployments, looks, events and tasks that stop.

use serde_json::json;

use crate::ecs_course::Course;
use crate::ecs_fake::{Model, arn, now, number, revision_arn};

impl Model {
    /// Begins a deployment; the one before goes on until this is complete.
    pub(crate) fn deploy(&mut self, revision: u64) {
        self.deployments += 1;
        self.looks = 0;
        let broken = self.revisions[&revision]["containerDefinitions"][0]["environment"]
            .as_array()
            .is_some_and(|variables| variables.iter().any(|variable| variable["name"] == "BROKEN"));
        let usual = if broken { Course::crash(false) } else { Course::Completes(2) };
        self.course = self.courses.pop_front().unwrap_or(usual);
        self.service["taskDefinition"] = revision_arn(revision).into();
        let desired = self.service["desiredCount"].clone();
        let mut deployments = self.service["deployments"].as_array().cloned().unwrap_or_default();
        deployments.truncate(1);
        for before in &mut deployments {
            before["status"] = "ACTIVE".into();
        }
        deployments.insert(
            0,
            json!({
                "id": format!("ecs-svc/{}", self.deployments), "status": "PRIMARY",
                "taskDefinition": revision_arn(revision), "createdAt": now(), "updatedAt": now(),
                "desiredCount": desired, "runningCount": 0, "pendingCount": 0, "failedTasks": 0,
                "rolloutState": "IN_PROGRESS",
                "rolloutStateReason": format!("ECS deployment ecs-svc/{} in progress.", self.deployments),
            }),
        );
        self.service["deployments"] = deployments.into();
    }

    fn event(&mut self, message: &str) {
        let event = json!({ "id": "e", "createdAt": now(), "message": format!("(service web) {message}") });
        if let Some(events) = self.service["events"].as_array_mut() {
            events.insert(0, event);
        }
    }

    /// One look of somebody who waits: the deployment goes on by a step.
    pub(crate) fn look(&mut self) {
        if self.service["deployments"][0]["rolloutState"] != "IN_PROGRESS" {
            return;
        }
        self.looks += 1;
        match self.course.clone() {
            Course::Completes(at) if self.looks >= at => self.finish(),
            Course::Completes(_) | Course::Stalls if self.looks == 1 => {
                self.service["deployments"][0]["pendingCount"] = 1.into();
                self.event("has started 1 tasks: (task 1).");
            }
            Course::Completes(_) => self.service["deployments"][0]["runningCount"] = 1.into(),
            Course::Stalls => {}
            Course::Fails { at, reason, container, goes_back } => {
                self.stop_task(reason, container);
                self.service["deployments"][0]["failedTasks"] = self.looks.into();
                self.event("(deployment) was unable to start tasks.");
                if self.looks >= at {
                    self.fail(goes_back);
                }
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        let desired = self.service["desiredCount"].clone();
        let deployment = &mut self.service["deployments"][0];
        deployment["rolloutState"] = "COMPLETED".into();
        deployment["rolloutStateReason"] = "ECS deployment completed.".into();
        (deployment["runningCount"], deployment["pendingCount"]) = (desired.clone(), 0.into());
        (self.service["runningCount"], self.service["pendingCount"]) = (desired, 0.into());
        if let Some(deployments) = self.service["deployments"].as_array_mut() {
            deployments.truncate(1);
        }
        self.event("has reached a steady state.");
    }

    fn stop_task(&mut self, reason: &str, (said, code): (&str, i32)) {
        let id = self.tasks.len() + 1;
        let mut container = json!({ "name": "app" });
        if !said.is_empty() {
            (container["reason"], container["exitCode"]) = (said.into(), code.into());
        }
        self.tasks.push(json!({
            "taskArn": arn(&format!("task/acme/{id}")),
            "taskDefinitionArn": self.service["taskDefinition"],
            "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
            "createdAt": now(), "stoppedAt": now(),
            "stopCode": if said.is_empty() { "TaskFailedToStart" } else { "EssentialContainerExited" },
            "stoppedReason": reason, "containers": [container],
        }));
    }

    /// As the circuit breaker does.
    fn fail(&mut self, goes_back: bool) {
        let failed = &mut self.service["deployments"][0];
        failed["rolloutState"] = "FAILED".into();
        failed["rolloutStateReason"] = "ECS deployment circuit breaker: tasks failed to start.".into();
        if !goes_back {
            return;
        }
        let failed = failed.clone();
        let before = number(&self.service["deployments"][1]["taskDefinition"]).unwrap_or(1);
        let id = self.service["deployments"][1]["id"].clone();
        self.courses.push_front(Course::Completes(2));
        self.deploy(before);
        let primary = &mut self.service["deployments"][0];
        primary["rolloutStateReason"] = format!(
            "ECS deployment circuit breaker: rolling back to deploymentId {}.",
            id.as_str().unwrap_or_default()
        )
        .into();
        self.service["deployments"][1] = failed;
        self.service["deployments"][1]["status"] = "ACTIVE".into();
    }
}
