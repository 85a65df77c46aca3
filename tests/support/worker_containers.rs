//! The containers of the stand-in for Cloudflare: applications, and rollouts that go as a test says.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::recorder::{Answer, Request};
use crate::worker_fake::done;

/// How a rollout goes.
#[derive(Clone, Debug)]
pub enum Course {
    /// It is complete at this look.
    Completes(u32),
    /// It is taken back at this look, because of this.
    Reverts(u32, &'static str),
    /// It goes on for ever.
    Stalls,
}

#[derive(Default)]
pub(crate) struct Containers {
    applications: Vec<Value>,
    /// Oldest first.
    rollouts: Vec<Value>,
    pub(crate) courses: VecDeque<Course>,
    course: Option<Course>,
    looks: u32,
}

impl Containers {
    pub(crate) fn rollouts(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = |one: &Value| (text(&one["target_configuration"]["image"]), text(&one["status"]));
        self.rollouts.iter().map(told).collect()
    }

    pub(crate) fn answer(&mut self, request: &Request, path: &[&str]) -> Result<Answer, String> {
        match (request.method.as_str(), path) {
            ("GET", ["applications"]) => Ok(done(&json!(self.applications))),
            ("POST", ["applications"]) => {
                let mut application = request.json();
                (application["id"], application["version"]) = ("app-1".into(), 1.into());
                self.applications.push(application.clone());
                Ok(done(&application))
            }
            ("GET", ["applications", "app-1", "rollouts"]) => {
                self.look();
                // In no helpful order, for none is promised.
                Ok(done(&json!(self.rollouts)))
            }
            ("POST", ["applications", "app-1", "rollouts"]) => self.roll(&request.json()),
            _ => Err("there is no such thing of containers".into()),
        }
    }

    fn roll(&mut self, body: &Value) -> Result<Answer, String> {
        let image = body["target_configuration"]["image"].as_str().unwrap_or_default();
        let kinds = (body["strategy"] == "rolling", body["kind"] == "full_auto");
        if kinds != (true, true) || !image.contains("@sha256:") || body["description"].as_str().is_none() {
            return Err(format!("no such rollout can be made: {body}"));
        }
        if body["target_configuration"]["instance_type"] != "lite" {
            return Err("what a container is besides its image is carried over".into());
        }
        let progressing = |one: &&mut Value| one["status"] == "progressing";
        for before in self.rollouts.iter_mut().filter(progressing) {
            before["status"] = "replaced".into();
        }
        let number = self.rollouts.len();
        let rollout = json!({
            "id": format!("rollout-{number}"), "created_at": format!("2026-11-20T10:00:{number:02}Z"),
            "status": "progressing", "strategy": "rolling", "kind": "full_auto",
            "target_configuration": body["target_configuration"],
            "progress": { "current_step": 1, "total_steps": 4, "updated_instances": 0, "total_instances": 4 },
            "health": { "errors": [], "instances": { "active": 4, "assigned": 4 } },
        });
        (self.course, self.looks) = (self.courses.pop_front(), 0);
        self.rollouts.push(rollout.clone());
        Ok(done(&rollout))
    }

    /// One look of somebody who waits: the rollout goes on by a step.
    fn look(&mut self) {
        let Some(rollout) = self.rollouts.last_mut().filter(|one| one["status"] == "progressing") else {
            return;
        };
        self.looks += 1;
        rollout["progress"]["updated_instances"] = self.looks.min(3).into();
        match self.course.clone().unwrap_or(Course::Completes(2)) {
            Course::Completes(at) if self.looks >= at => {
                rollout["status"] = "completed".into();
                let target = rollout["target_configuration"].clone();
                self.applications[0]["configuration"] = target;
            }
            Course::Reverts(at, why) => {
                let event = json!({ "id": "e", "name": "ImagePullError", "type": "Error", "message": why });
                rollout["health"]["errors"] = json!([{ "instance_id": "i", "event": event }]);
                if self.looks >= at {
                    rollout["status"] = "reverted".into();
                }
            }
            Course::Completes(_) | Course::Stalls => {}
        }
    }
}
