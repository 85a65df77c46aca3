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
    /// A container that somebody else made.
    pub(crate) fn add(&mut self, name: &str, image: &str) {
        let configuration = json!({ "image": image, "instance_type": "lite" });
        self.make(json!({ "name": name, "configuration": configuration }));
    }

    fn make(&mut self, mut application: Value) -> Value {
        let number = self.applications.len() + 1;
        (application["id"], application["version"]) = (format!("app-{number}").into(), 1.into());
        self.applications.push(application.clone());
        application
    }

    pub(crate) fn rollouts(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = |one: &Value| (text(&one["target_configuration"]["image"]), text(&one["status"]));
        self.rollouts.iter().map(told).collect()
    }

    pub(crate) fn answer(&mut self, request: &Request, path: &[&str]) -> Result<Answer, String> {
        match (request.method.as_str(), path) {
            ("GET", ["applications"]) => self.list(&request.query),
            ("POST", ["applications"]) => Ok(done(&self.make(request.json()))),
            ("GET", ["applications", id, "rollouts"]) => {
                self.look();
                // In no helpful order, for none is promised.
                let of: Vec<&Value> =
                    self.rollouts.iter().filter(|one| one["application_id"] == *id).collect();
                Ok(done(&json!(of)))
            }
            ("POST", ["applications", id, "rollouts"]) => self.roll(id, &request.json()),
            _ => Err("there is no such thing of containers".into()),
        }
    }

    /// All of them; asked for by a name, one a page of those whose names begin so.
    fn list(&self, query: &str) -> Result<Answer, String> {
        let Some(asked) = query.strip_prefix("name=") else {
            return Ok(done(&json!(self.applications)));
        };
        let (name, at) = match asked.split_once("&page_token=after-") {
            None => (asked, 0),
            Some((name, at)) => (name, at.parse::<usize>().map_err(|_| format!("no such token: {query}"))?),
        };
        if name.contains('&') {
            return Err(format!("applications are asked for by a name and a token: {query}"));
        }
        let begins = |one: &&Value| one["name"].as_str().is_some_and(|own| own.starts_with(name));
        let named: Vec<&Value> = self.applications.iter().filter(begins).collect();
        let mut info = json!({ "per_page": 1 });
        if at + 1 < named.len() {
            info["next_page_token"] = format!("after-{}", at + 1).into();
        }
        let page: Vec<&&Value> = named.iter().skip(at).take(1).collect();
        let body = json!({
            "success": true, "errors": [], "messages": [], "result": page, "result_info": info,
        });
        Ok(Answer::json(200, &body))
    }

    fn roll(&mut self, id: &str, body: &Value) -> Result<Answer, String> {
        if !self.applications.iter().any(|one| one["id"] == id) {
            return Err(format!("there is no container {id}"));
        }
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
            "id": format!("rollout-{number}"), "application_id": id, "created_at": format!("2026-11-20T10:00:{number:02}Z"),
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
                let (id, target) =
                    (rollout["application_id"].clone(), rollout["target_configuration"].clone());
                for application in self.applications.iter_mut().filter(|one| one["id"] == id) {
                    application["configuration"] = target.clone();
                }
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
