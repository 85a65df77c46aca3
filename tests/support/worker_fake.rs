//! A Worker of Cloudflare with versions, deployments and a container, and wherever it answers; a request that it does not know
//! fails the test.
//!
//! It is made from what wrangler 4.164.0 sends and reads, and from the published description of the API. Versions answer their
//! health path as their variables say: one with `BROKEN` never does well.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::recorder::{Answer, Recorder, Request, locked};
use crate::worker_containers::Containers;
pub use crate::worker_containers::Course;

/// One account with at most one Worker.
pub struct WorkerFake {
    recorder: Recorder,
    model: Arc<Mutex<Model>>,
}

/// What is kept of the account.
#[derive(Default)]
struct Model {
    exists: bool,
    versions: Vec<Value>,
    /// Newest first.
    deployments: Vec<Value>,
    /// By `METHOD last-segment`.
    faults: BTreeMap<String, VecDeque<Answer>>,
    containers: Containers,
    workers_dev: bool,
    /// The tag of the last migration of Durable Objects.
    migrated: Option<String>,
    /// Deployments that are answered as made, and are not.
    swallowed: u32,
    /// How many answers of the health path are bad before good ones.
    slow: u32,
    /// How many answers of the health path after a deployment come from the version before, and how many are left.
    behind: (u32, u32),
    /// How many lists of deployments after one that was made do not show it, and how many are left.
    late: (u32, u32),
}

/// The deployments that one page of them has.
const PAGE: usize = 10;

impl WorkerFake {
    /// The account.
    pub const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
    /// The Worker.
    pub const SCRIPT: &str = "shop-staging";
    /// The token.
    pub const TOKEN: &str = "canary-token-4c1d";

    /// Starts it without a Worker.
    pub fn start() -> Self {
        let model = Arc::new(Mutex::new(Model { workers_dev: true, ..Model::default() }));
        let kept = Arc::clone(&model);
        let recorder = Recorder::start(move |request| locked(&kept).answer(request));
        WorkerFake { recorder, model }
    }

    /// What `CLOUDFLARE_API_BASE_URL` is set to.
    pub fn url(&self) -> String {
        format!("{}/client/v4", self.recorder.url())
    }

    /// Where the Worker answers.
    pub fn site(&self) -> String {
        format!("{}/site", self.recorder.url())
    }

    /// Makes the Worker as somebody else would, with one version that gets all requests; its id.
    pub fn exists(&self) -> String {
        let mut model = locked(&self.model);
        model.exists = true;
        let id = model.upload(&json!({ "annotations": { "workers/tag": "0.9" }, "bindings": [] }));
        model.deploy(&json!([{ "version_id": id, "percentage": 100 }]), &json!({}));
        id
    }

    /// Gives a version all requests, as somebody else would.
    pub fn deploy(&self, id: &str) {
        locked(&self.model).deploy(&json!([{ "version_id": id, "percentage": 100 }]), &json!({}));
    }

    /// Uploads a version, as somebody else would.
    pub fn upload(&self) -> String {
        locked(&self.model).upload(&json!({ "annotations": {}, "bindings": [] }))
    }

    /// Answers the next request `METHOD last-segment` so.
    pub fn fault(&self, request: &str, answer: Answer) {
        locked(&self.model).faults.entry(request.to_owned()).or_default().push_back(answer);
    }

    /// Answers the next deployments as made, and makes none.
    pub fn swallow(&self, deployments: u32) {
        locked(&self.model).swallowed = deployments;
    }

    /// Answers the health path badly this often before well.
    pub fn slow(&self, looks: u32) {
        locked(&self.model).slow = looks;
    }

    /// Lets the version before answer the health path so often after each deployment, whichever one is asked for.
    pub fn behind(&self, answers: u32) {
        locked(&self.model).behind = (answers, 0);
    }

    /// Shows each deployment only after so many lists without it.
    pub fn late(&self, lists: u32) {
        locked(&self.model).late = (lists, 0);
    }

    /// Adds a container of this name with an image, as somebody else would.
    pub fn contain(&self, name: &str, image: &str) {
        locked(&self.model).containers.add(name, image);
    }

    /// The Worker answers at workers.dev no more.
    pub fn no_workers_dev(&self) {
        locked(&self.model).workers_dev = false;
    }

    /// How the next rollout of the container goes.
    pub fn next(&self, course: Course) {
        locked(&self.model).containers.courses.push_back(course);
    }

    /// The images of the container's rollouts, oldest first, with their states.
    pub fn rollouts(&self) -> Vec<(String, String)> {
        locked(&self.model).containers.rollouts()
    }

    /// The versions, oldest first.
    pub fn versions(&self) -> Vec<Value> {
        locked(&self.model).versions.clone()
    }

    /// What a version is bound to, by name.
    pub fn bindings(&self, id: &str) -> BTreeMap<String, Value> {
        let versions = self.versions();
        let version = versions.iter().find(|version| version["id"] == id).expect("there is such a version");
        let bindings = version["resources"]["bindings"].as_array().into_iter().flatten();
        bindings.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one.clone())).collect()
    }

    /// The parts of the requests that versions get now.
    pub fn serving(&self) -> Vec<(String, u64)> {
        let model = locked(&self.model);
        let parts = model.deployments.first().map(|latest| latest["versions"].clone()).unwrap_or_default();
        let parts = parts.as_array().cloned().unwrap_or_default();
        parts.iter().map(part).collect()
    }

    /// The parts of each deployment, oldest first.
    pub fn deployments(&self) -> Vec<Vec<(String, u64)>> {
        let model = locked(&self.model);
        let all = model.deployments.iter().rev();
        all.map(|one| one["versions"].as_array().into_iter().flatten().map(part).collect()).collect()
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Request> {
        self.recorder.take()
    }

    /// An answer that refuses, with one error.
    pub fn refusal(status: u16, code: u32, message: &str) -> Answer {
        let errors = json!([{ "code": code, "message": message }]);
        Answer::json(status, &json!({ "success": false, "errors": errors, "messages": [], "result": null }))
    }
}

fn part(part: &Value) -> (String, u64) {
    let percentage = part["percentage"].as_f64().unwrap_or_default();
    (part["version_id"].as_str().unwrap_or_default().to_owned(), percentage as u64)
}

pub(crate) fn done(result: &Value) -> Answer {
    let info = json!({ "page": 1, "per_page": 100, "count": 1, "total_count": 1, "total_pages": 1 });
    let body =
        json!({ "success": true, "errors": [], "messages": [], "result": result, "result_info": info });
    Answer::json(200, &body)
}

fn not_there() -> Answer {
    WorkerFake::refusal(404, 10007, "This Worker does not exist on your account.")
}

/// A time that is later with each number.
fn at(number: usize) -> String {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + number as u64);
    infra_sdk::time::Timestamp::from(start).to_string().replace("Z", "456Z")
}

fn uuid(number: usize) -> String {
    format!("ebda32e6-5daf-4f6f-868e-{number:012x}")
}

/// The metadata of an upload, and the text of its main module.
///
/// # Errors
/// When the request is no upload.
pub fn metadata(request: &Request) -> Result<(Value, String), String> {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let kind = request.header("content-type").unwrap_or_default();
    let boundary = kind.split_once("boundary=").ok_or("an upload has several parts")?.1;
    let mut found = (Value::Null, String::new());
    for piece in body.split(&format!("--{boundary}")) {
        let Some((head, content)) = piece.split_once("\r\n\r\n") else { continue };
        let content = content.trim_end_matches("\r\n");
        if head.contains("name=\"metadata\"") {
            found.0 = serde_json::from_str(content).map_err(|error| error.to_string())?;
        } else if !head.contains(".map\"") {
            found.1.push_str(content);
        }
    }
    if found.0.is_null() { Err("an upload has metadata".into()) } else { Ok(found) }
}

impl Model {
    fn answer(&mut self, request: &Request) -> Result<Answer, String> {
        if let Some(path) = request.path.strip_prefix("/site") {
            return self.site(path, request);
        }
        let last = request.path.rsplit('/').next().unwrap_or_default();
        let key = format!("{} {last}", request.method);
        if let Some(fault) = self.faults.get_mut(&key).and_then(VecDeque::pop_front) {
            return Ok(fault);
        }
        if request.header("authorization") != Some(&format!("Bearer {}", WorkerFake::TOKEN)) {
            return Ok(WorkerFake::refusal(403, 10000, "Authentication error"));
        }
        // wrangler asks who it is after it was refused, and an account's own token is nobody's.
        if request.path == "/client/v4/user/tokens/verify" {
            return Ok(WorkerFake::refusal(403, 9109, "Unauthorized to access requested resource"));
        }
        let prefix = format!("/client/v4/accounts/{}/", WorkerFake::ACCOUNT);
        let rest = request.path.strip_prefix(&prefix).ok_or("there is nothing at this path")?;
        let parts: Vec<&str> = rest.split('/').collect();
        if let ["containers", more @ ..] = &parts[..] {
            return self.containers.answer(request, more);
        }
        match (request.method.as_str(), &parts[..]) {
            ("GET", ["workers", "subdomain"]) => Ok(done(&json!({ "subdomain": "acme" }))),
            ("GET", ["workers", "services", WorkerFake::SCRIPT]) => Ok(self.service()),
            ("GET", ["workers", "workers", WorkerFake::SCRIPT]) => {
                let state = json!({ "enabled": self.workers_dev, "previews_enabled": false });
                Ok(done(&json!({ "id": "w1", "name": WorkerFake::SCRIPT, "subdomain": state })))
            }
            ("GET", ["workers", "durable_objects", "namespaces"]) => Ok(done(&json!([]))),
            (_, ["workers", "scripts", WorkerFake::SCRIPT, more @ ..]) => self.script(request, more),
            _ => Err("there is no such thing here".into()),
        }
    }

    fn service(&self) -> Answer {
        if !self.exists {
            return WorkerFake::refusal(404, 10090, "workers.api.error.service_not_found");
        }
        let mut script = json!({
            "id": WorkerFake::SCRIPT, "tag": "t1", "tags": [], "last_deployed_from": "wrangler",
        });
        if let Some(tag) = &self.migrated {
            script["migration_tag"] = tag.as_str().into();
        }
        let environment = json!({ "environment": "production", "script": script });
        done(&json!({ "id": WorkerFake::SCRIPT, "default_environment": environment }))
    }

    fn script(&mut self, request: &Request, more: &[&str]) -> Result<Answer, String> {
        if (request.method.as_str(), more) == ("PUT", &[]) {
            return self.put(request);
        }
        if !self.exists {
            return Ok(not_there());
        }
        match (request.method.as_str(), more) {
            ("GET", ["secrets"]) => Ok(done(&json!([]))),
            ("GET", ["settings"]) => Ok(done(&json!({ "bindings": [], "tags": [] }))),
            ("GET", ["subdomain"]) => {
                Ok(done(&json!({ "enabled": self.workers_dev, "previews_enabled": false })))
            }
            ("POST", ["subdomain"]) => Ok(done(&json!({ "enabled": true, "previews_enabled": false }))),
            // The names of the settings and of their section, which wrangler notes there.
            ("PATCH", ["script-settings"]) => Ok(done(&json!({}))),
            ("GET", ["deployments"]) => self.list(&request.query),
            ("POST", ["deployments"]) => self.post_deployment(request),
            ("GET", ["versions"]) => {
                if request.query != "deployable=true" {
                    return Err(format!("versions that can be deployed are asked for: {}", request.query));
                }
                let newest: Vec<&Value> = self.versions.iter().rev().take(100).collect();
                Ok(done(&json!({ "items": newest })))
            }
            ("GET", ["versions", id]) => match self.versions.iter().find(|version| version["id"] == *id) {
                Some(version) => Ok(done(version)),
                None => Ok(WorkerFake::refusal(404, 100_146, "Version not found.")),
            },
            ("POST", ["versions"]) => {
                let (metadata, code) = metadata(request)?;
                if metadata.get("migrations").is_some() {
                    return Ok(WorkerFake::refusal(400, 10211, "a version cannot have a migration"));
                }
                self.check(&code)?;
                let id = self.upload(&metadata);
                let number = self.versions.len();
                Ok(done(&json!({ "id": id, "number": number, "startup_time_ms": 3, "metadata": {} })))
            }
            _ => Err("there is no such method here".into()),
        }
    }

    /// Code without a class of which there may be objects is refused, as Cloudflare does.
    fn check(&self, code: &str) -> Result<(), String> {
        if self.migrated.is_some() && !code.contains("Box") {
            return Err("the version does not have the class Box, of which there are objects".into());
        }
        Ok(())
    }

    /// `wrangler deploy`: a version that gets all requests at once.
    fn put(&mut self, request: &Request) -> Result<Answer, String> {
        let (metadata, code) = metadata(request)?;
        if let Some(tag) = metadata["migrations"]["new_tag"].as_str() {
            self.migrated = Some(tag.to_owned());
        }
        self.check(&code)?;
        self.exists = true;
        let id = self.upload(&metadata);
        let message = json!({ "workers/triggered_by": "upload" });
        self.deploy(&json!([{ "version_id": id, "percentage": 100 }]), &message);
        Ok(done(&json!({
            "id": WorkerFake::SCRIPT, "tag": "t1", "etag": "e", "deployment_id": id.replace('-', ""),
            "startup_time_ms": 3, "available_on_subdomain": self.workers_dev,
        })))
    }

    fn upload(&mut self, metadata: &Value) -> String {
        let number = self.versions.len() + 1;
        let mut bindings = metadata["bindings"].as_array().cloned().unwrap_or_default();
        for binding in &mut bindings {
            if binding["type"] == "durable_object_namespace" {
                binding["namespace_id"] = "n".repeat(32).into();
            }
        }
        // Secrets of the version before stay, unless they are given again.
        let kept =
            metadata["keep_bindings"].as_array().into_iter().flatten().any(|kind| kind == "secret_text");
        let before = self.versions.last().map(|version| version["resources"]["bindings"].clone());
        for old in before.iter().filter(|_| kept).filter_map(Value::as_array).flatten() {
            let again = bindings.iter().any(|new| new["name"] == old["name"]);
            if old["type"] == "secret_text" && !again {
                bindings.push(old.clone());
            }
        }
        self.versions.push(json!({
            "id": uuid(number), "number": number,
            "metadata": { "created_on": at(number), "author_email": "ada@example.com", "source": "wrangler" },
            "annotations": metadata["annotations"],
            "resources": { "bindings": bindings },
        }));
        uuid(number)
    }

    fn deploy(&mut self, versions: &Value, annotations: &Value) -> Value {
        let deployment = json!({
            "id": uuid(1000 + self.deployments.len()), "created_on": at(self.deployments.len()), "source": "api",
            "strategy": "percentage", "versions": versions, "annotations": annotations,
        });
        self.deployments.insert(0, deployment.clone());
        (self.behind.1, self.late.1) = (self.behind.0, self.late.0);
        deployment
    }

    /// One page, of which the first has the newest.
    fn list(&mut self, query: &str) -> Result<Answer, String> {
        let page = if query.is_empty() { Some("1") } else { query.strip_prefix("page=") };
        let page = page.and_then(|page| page.parse::<usize>().ok()).filter(|page| *page > 0);
        let page = page.ok_or_else(|| format!("there is no such page of deployments: {query}"))?;
        let hidden = usize::from(self.late.1 > 0);
        self.late.1 = self.late.1.saturating_sub(1);
        let shown: Vec<&Value> =
            self.deployments.iter().skip(hidden + (page - 1) * PAGE).take(PAGE).collect();
        Ok(done(&json!({ "deployments": shown })))
    }

    fn post_deployment(&mut self, request: &Request) -> Result<Answer, String> {
        let body = request.json();
        let versions = body["versions"].as_array().ok_or("a deployment has versions")?;
        let whole: f64 = versions.iter().filter_map(|part| part["percentage"].as_f64()).sum();
        if body["strategy"] != "percentage" || (whole - 100.0).abs() > 0.001 || versions.len() > 2 {
            return Err(format!("no such deployment can be made: {body}"));
        }
        let message = body["annotations"]["workers/message"].as_str().unwrap_or_default();
        if message.len() > 1000 {
            return Err("a message is cut off after 1,000 bytes".into());
        }
        for part in versions {
            if !self.versions.iter().any(|version| version["id"] == part["version_id"]) {
                return Ok(WorkerFake::refusal(400, 10_137, "Version does not exist."));
            }
        }
        if self.swallowed > 0 {
            self.swallowed -= 1;
            let before = self.deployments.clone();
            let answer = self.deploy(&body["versions"], &body["annotations"]);
            self.deployments = before;
            return Ok(done(&answer));
        }
        Ok(done(&self.deploy(&body["versions"], &body["annotations"])))
    }

    /// The Worker itself: the version that the header chooses, if it gets requests, or the one with the most of them.
    fn site(&mut self, path: &str, request: &Request) -> Result<Answer, String> {
        if path != "/healthz" || request.method != "GET" || request.header("authorization").is_some() {
            return Err("the Worker is only asked how it is, and told nothing".into());
        }
        let before = usize::from(self.behind.1 > 0 && self.deployments.len() > 1);
        self.behind.1 = self.behind.1.saturating_sub(1);
        let parts = self.deployments.get(before).map(|latest| latest["versions"].clone()).unwrap_or_default();
        let parts: Vec<(String, u64)> = parts.as_array().into_iter().flatten().map(part).collect();
        let wanted = request.header("cloudflare-workers-version-overrides").unwrap_or_default();
        let wanted = wanted.strip_prefix(&format!("{}=\"", WorkerFake::SCRIPT)).unwrap_or_default();
        let wanted = wanted.trim_end_matches('"');
        let chosen = parts.iter().find(|(id, _)| id == wanted).or(parts.iter().max_by_key(|(_, part)| *part));
        let Some((id, _)) = chosen else { return Err("nobody answers".into()) };
        let version = self.versions.iter().find(|version| version["id"] == id.as_str()).ok_or("gone")?;
        let message = version["annotations"]["workers/message"].as_str().unwrap_or_default();
        let text = vec![("content-type", "text/plain".to_owned())];
        let bindings = version["resources"]["bindings"].as_array().into_iter().flatten();
        if message.contains("\"parked\":true") {
            return Ok(Answer::Whole(503, text, "stopped\n".into()));
        }
        if bindings.into_iter().any(|binding| binding["name"] == "BROKEN") {
            return Ok(Answer::Whole(500, text, "cannot reach the database\n".into()));
        }
        if self.slow > 0 {
            self.slow -= 1;
            return Ok(Answer::Whole(503, text, "warming up\n".into()));
        }
        Ok(Answer::Whole(200, text, "ok\n".into()))
    }
}
