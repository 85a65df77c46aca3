//! The part of Cloudflare's API that keeps secrets of Workers, on the loopback interface.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::recorder::{Answer, Recorder, Request, locked};

/// It knows one account, one Worker and one token, and answers in the form of
/// <https://developers.cloudflare.com/api/resources/workers/subresources/scripts/subresources/secrets/>.
pub struct WorkerApi {
    recorder: Recorder,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By name, with the type Cloudflare gives it and the value.
    secrets: BTreeMap<String, (String, String)>,
    /// What the next requests are answered with; `None` for what the state says.
    faults: VecDeque<Option<Answer>>,
}

impl WorkerApi {
    /// The account.
    pub const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
    /// The Worker.
    pub const SCRIPT: &str = "shop-api";
    /// The token.
    pub const TOKEN: &str = "canary-token-7f3a";

    /// Starts it without a secret.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let recorder = Recorder::start(move |request| {
            let mut state = locked(&shared);
            match state.faults.pop_front().flatten() {
                Some(fault) => Ok(fault),
                None => state.answer(request),
            }
        });
        WorkerApi { recorder, state }
    }

    /// What `CLOUDFLARE_API_BASE_URL` is set to.
    pub fn url(&self) -> String {
        format!("{}/client/v4", self.recorder.url())
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Request> {
        self.recorder.take()
    }

    /// Answers the next requests with these; `None` for an answer as usual.
    pub fn answer_next(&self, faults: impl IntoIterator<Item = Option<Answer>>) {
        locked(&self.state).faults.extend(faults);
    }

    /// Adds what somebody else bound to the Worker.
    pub fn bind(&self, name: &str, kind: &str) {
        locked(&self.state).secrets.insert(name.into(), (kind.into(), String::new()));
    }

    /// The values it keeps.
    pub fn values(&self) -> BTreeMap<String, String> {
        locked(&self.state).secrets.iter().map(|(name, (_, value))| (name.clone(), value.clone())).collect()
    }

    /// An answer that refuses, with one error.
    pub fn refusal(status: u16, code: u32, message: &str) -> Answer {
        let errors = json!([{"code": code, "message": message}]);
        Answer::json(status, &json!({"success": false, "errors": errors, "messages": [], "result": null}))
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Result<Answer, String> {
        if request.header("authorization") != Some(&format!("Bearer {}", WorkerApi::TOKEN)) {
            return Ok(WorkerApi::refusal(403, 10000, "Authentication error"));
        }
        let Some(rest) = request.path.strip_prefix("/client/v4/accounts/") else {
            return Err("there is nothing at this path".into());
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let [account, "workers", "scripts", script, what] = parts[..] else {
            return Err("there is nothing at this path".into());
        };
        if account != WorkerApi::ACCOUNT {
            return Ok(WorkerApi::refusal(
                404,
                7003,
                "Could not route to the account, perhaps its id is wrong?",
            ));
        }
        if script != WorkerApi::SCRIPT {
            return Ok(WorkerApi::refusal(404, 10007, "This Worker does not exist on your account."));
        }
        if !request.query.is_empty() {
            return Err(format!("no query is known here: {}", request.query));
        }
        match (request.method.as_str(), what) {
            ("GET", "secrets") => Ok(self.list()),
            ("PATCH", "secrets-bulk") => self.patch(request),
            _ => Err("there is no such method here".into()),
        }
    }

    /// Secrets only, of both kinds; in no helpful order, for none is promised.
    fn list(&self) -> Answer {
        let all = self.secrets.iter().rev().filter(|(_, (kind, _))| kind.starts_with("secret_"));
        let all: Vec<Value> = all.map(|(name, (kind, _))| json!({"name": name, "type": kind})).collect();
        done(&all.into())
    }

    /// Makes all changes or none, as one new version.
    fn patch(&mut self, request: &Request) -> Result<Answer, String> {
        let kind = request.header("content-type").unwrap_or_default();
        if !["application/merge-patch+json", "application/json"].contains(&kind) {
            return Err(format!("content type {kind}"));
        }
        let body = request.json();
        let body = body.as_object().ok_or("the body is no object")?;
        let secrets = body.get("secrets").and_then(Value::as_object).ok_or("the body has no secrets")?;
        if body.len() != 1 || secrets.is_empty() || secrets.len() > 100 {
            return Err(format!("{} members with {} secrets", body.len(), secrets.len()));
        }
        let mut after = self.secrets.clone();
        for (name, change) in secrets {
            if change.is_null() {
                after.remove(name);
                continue;
            }
            let text = change["text"].as_str().filter(|text| !text.is_empty() && text.len() <= 5 * 1024);
            let text = text.ok_or("a value is missing or too long")?;
            if *change != json!({"name": name, "text": text, "type": "secret_text"}) {
                return Err("a secret is not the object that the API describes".into());
            }
            if after.get(name).is_some_and(|(kind, _)| !kind.starts_with("secret_")) {
                return Ok(WorkerApi::refusal(400, 10053, &format!("Binding name '{name}' already in use.")));
            }
            after.insert(name.clone(), ("secret_text".into(), text.into()));
        }
        self.secrets = after;
        let all = self.secrets.iter().map(|(name, (kind, _))| json!({"name": name, "type": kind}));
        Ok(done(&all.collect()))
    }
}

fn done(result: &Value) -> Answer {
    Answer::json(200, &json!({"success": true, "errors": [], "messages": [], "result": result}))
}
