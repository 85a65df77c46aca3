//! A service of ECS that progresses, stalls and fails as a test tells it to; a request that it does not know fails the test.
//!
//! It speaks AWS's JSON protocol, and is strict where the emulator is not: what AWS alone may set is refused, and so are
//! tags with signs that AWS does not take, and revisions that were deregistered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::{Value, json};

pub use crate::ecs_course::Course;
use crate::recorder::{Answer, Recorder, Request, locked};

/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";

/// The service `web` in the cluster `acme`, and its task definitions.
pub struct EcsFake {
    recorder: Recorder,
    model: Arc<Mutex<Model>>,
}

pub(crate) struct Model {
    pub(crate) service: Value,
    pub(crate) revisions: BTreeMap<u64, Value>,
    pub(crate) tasks: Vec<Value>,
    pub(crate) courses: VecDeque<Course>,
    faults: BTreeMap<String, VecDeque<Answer>>,
    pub(crate) course: Course,
    pub(crate) looks: u32,
    pub(crate) deployments: u32,
    /// Looks that still show the service as it was before the last change.
    lag: u32,
    before: Value,
}

impl EcsFake {
    /// The service runs two tasks of the revision `web:1`, which somebody else registered with these fields.
    pub fn start(fields: &Value) -> Self {
        let mut model = Model {
            service: Value::Null,
            revisions: BTreeMap::new(),
            tasks: Vec::new(),
            courses: VecDeque::new(),
            faults: BTreeMap::new(),
            course: Course::Completes(1),
            looks: 0,
            deployments: 0,
            lag: 0,
            before: Value::Null,
        };
        model.register(fields.clone()).expect("the first revision is one");
        model.service = json!({
            "serviceArn": arn("service/acme/web"),
            "clusterArn": arn("cluster/acme"),
            "serviceName": "web",
            "status": "ACTIVE",
            "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
            "launchType": "FARGATE", "schedulingStrategy": "REPLICA",
            "deploymentController": { "type": "ECS" },
            "taskDefinition": revision_arn(1),
            "deployments": [], "events": [], "tags": [],
        });
        model.deploy(1);
        model.finish();
        let model = Arc::new(Mutex::new(model));
        let kept = Arc::clone(&model);
        let recorder = Recorder::start(move |request| locked(&kept).answer(request));
        EcsFake { recorder, model }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.recorder.url()
    }

    /// How the next deployment goes that has no course yet. Without one it is complete at the second look, or crashes if
    /// its container has the variable `BROKEN`.
    pub fn next(&self, course: Course) {
        locked(&self.model).courses.push_back(course);
    }

    /// Answers the next request for an operation so.
    pub fn fault(&self, operation: &str, answer: Answer) {
        locked(&self.model).faults.entry(operation.to_owned()).or_default().push_back(answer);
    }

    /// Goes on showing the service as it was for this many looks after a change.
    pub fn lag(&self, looks: u32) {
        locked(&self.model).lag = looks;
    }

    /// Changes a field of the service, as somebody else would.
    pub fn set(&self, field: &str, value: Value) {
        locked(&self.model).service[field] = value;
    }

    /// Sets the service to a revision, as somebody else would.
    pub fn set_to(&self, revision: u64) {
        let mut model = locked(&self.model);
        model.deploy(revision);
        model.finish();
    }

    /// Gives a tag of a revision another value, as a machine with another clock would.
    pub fn retag(&self, number: u64, key: &str, value: &str) {
        let mut model = locked(&self.model);
        let tags = model.revisions.get_mut(&number).and_then(|fields| fields["tags"].as_array_mut());
        let tags = tags.expect("every revision has tags");
        tags.retain(|tag| tag["key"] != key);
        tags.push(json!({ "key": key, "value": value }));
    }

    /// Deregisters a revision, as Terraform does with one that it replaces: it goes on where it runs, and is set nowhere anew.
    pub fn deregister(&self, number: u64) {
        locked(&self.model).revisions.get_mut(&number).expect("there is one")["status"] = "INACTIVE".into();
    }

    /// Registers a revision, as somebody else would.
    pub fn register(&self, fields: &Value) -> u64 {
        locked(&self.model).register(fields.clone()).expect("it is a task definition")
    }

    /// The service.
    pub fn service(&self) -> Value {
        locked(&self.model).service.clone()
    }

    /// A revision, with its tags under `tags`.
    pub fn revision(&self, number: u64) -> Value {
        locked(&self.model).revisions[&number].clone()
    }

    /// The numbers of the revisions that can be run.
    pub fn active(&self) -> Vec<u64> {
        let model = locked(&self.model);
        let active = model.revisions.iter().filter(|(_, fields)| fields["status"] == "ACTIVE");
        active.map(|(number, _)| *number).collect()
    }

    /// Operation and body of the requests since the last call.
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.recorder.take().iter().map(|request| (operation(request), body(request))).collect()
    }
}

/// A refusal as AWS's JSON protocol has it.
pub fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "__type": format!("com.amazonaws.ecs#{code}"), "message": message });
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid", "request-1".to_owned()),
    ];
    Answer::Whole(status, headers, body.to_string())
}

pub(crate) fn arn(of: &str) -> String {
    format!("arn:aws:ecs:eu-central-1:{ACCOUNT}:{of}")
}

pub(crate) fn revision_arn(number: u64) -> String {
    arn(&format!("task-definition/web:{number}"))
}

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn operation(request: &Request) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    let target = target.rsplit('.').next().unwrap_or_default();
    // STS speaks another protocol.
    let form = String::from_utf8_lossy(&request.body);
    let action = || form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default();
    if target.is_empty() { action().to_owned() } else { target.to_owned() }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// The number of a revision, out of `web:7` or its ARN.
pub(crate) fn number(text: &Value) -> Option<u64> {
    let (family, number) = text.as_str()?.rsplit('/').next()?.rsplit_once(':')?;
    if family == "web" { number.parse().ok() } else { None }
}

/// What a tag may not hold.
fn odd_tag(tags: &Value) -> Option<String> {
    let sound = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    let odd = |text: &Value| text.as_str().is_none_or(|text| text.len() > 256 || !text.chars().all(sound));
    let tags = tags.as_array().into_iter().flatten();
    tags.filter(|tag| odd(&tag["key"]) || odd(&tag["value"])).map(Value::to_string).next()
}

impl Model {
    fn answer(&mut self, request: &Request) -> Result<Answer, String> {
        let (operation, body) = (operation(request), body(request));
        if let Some(fault) = self.faults.get_mut(&operation).and_then(VecDeque::pop_front) {
            return Ok(fault);
        }
        if operation == "GetCallerIdentity" {
            return Ok(identity());
        }
        let missing = body.get("cluster").is_some_and(|cluster| cluster != "acme");
        if missing {
            return Ok(refusal(400, "ClusterNotFoundException", "Cluster not found."));
        }
        match operation.as_str() {
            "DescribeServices" => Ok(self.describe_services(&body)),
            "UpdateService" => self.update_service(&body),
            "RegisterTaskDefinition" => {
                let number = self.register(body)?;
                Ok(self.definition(number))
            }
            "DescribeTaskDefinition" => Ok(match number(&body["taskDefinition"]) {
                Some(number) if self.revisions.contains_key(&number) => self.definition(number),
                _ => refusal(400, "ClientException", "Unable to describe task definition."),
            }),
            "DeregisterTaskDefinition" => {
                let number = number(&body["taskDefinition"]).ok_or("not a revision")?;
                let revision = self.revisions.get_mut(&number).ok_or("no such revision")?;
                revision["status"] = "INACTIVE".into();
                Ok(self.definition(number))
            }
            "ListTaskDefinitions" => self.list(&body),
            "TagResource" | "UntagResource" => self.tag(&body),
            "ListTasks" => {
                if body["desiredStatus"] != "STOPPED" || body["serviceName"] != "web" {
                    return Err(format!("stopped tasks of the service are expected: {body}"));
                }
                let arns: Vec<&Value> = self.tasks.iter().map(|task| &task["taskArn"]).collect();
                Ok(Answer::json(200, &json!({ "taskArns": arns })))
            }
            "DescribeTasks" => Ok(Answer::json(200, &json!({ "tasks": self.tasks }))),
            other => Err(format!("nobody asks for {other}")),
        }
    }

    fn describe_services(&mut self, body: &Value) -> Answer {
        if body["services"] != json!(["web"]) {
            let failure = json!({ "reason": "MISSING", "arn": arn("service/acme/other") });
            return Answer::json(200, &json!({ "services": [], "failures": [failure] }));
        }
        self.look();
        let shown = if self.lag > 0 && !self.before.is_null() {
            self.lag -= 1;
            &self.before
        } else {
            &self.service
        };
        Answer::json(200, &json!({ "services": [shown], "failures": [] }))
    }

    fn definition(&self, number: u64) -> Answer {
        let mut fields = self.revisions[&number].clone();
        let tags = fields.as_object_mut().and_then(|fields| fields.remove("tags"));
        Answer::json(200, &json!({ "taskDefinition": fields, "tags": tags }))
    }

    fn register(&mut self, mut fields: Value) -> Result<u64, String> {
        for added in
            ["taskDefinitionArn", "revision", "status", "registeredAt", "registeredBy", "compatibilities"]
        {
            if fields.get(added).is_some() {
                return Err(format!("{added} is for AWS to set"));
            }
        }
        if let Some(odd) = odd_tag(&fields["tags"]) {
            return Err(format!("no tag is {odd}"));
        }
        if fields["family"] != "web" {
            return Err("the family is web".into());
        }
        let number = self.revisions.len() as u64 + 1;
        let more = json!({
            "taskDefinitionArn": revision_arn(number), "revision": number, "status": "ACTIVE",
            "registeredAt": now(), "registeredBy": format!("arn:aws:sts::{ACCOUNT}:assumed-role/terraform/ci"),
            "compatibilities": ["EC2", "FARGATE"], "requiresAttributes": [{ "name": "ecs.capability.x" }],
        });
        let fields_map = fields.as_object_mut().ok_or("a task definition is an object")?;
        fields_map.extend(more.as_object().cloned().unwrap_or_default());
        self.revisions.insert(number, fields);
        Ok(number)
    }

    fn list(&self, body: &Value) -> Result<Answer, String> {
        if body["familyPrefix"] != "web" || body["sort"] != "DESC" || body["status"] != "ACTIVE" {
            return Err(format!("the newest active revisions of web are expected: {body}"));
        }
        let most = body["maxResults"].as_u64().unwrap_or(100) as usize;
        let active = self.revisions.iter().rev().filter(|(_, fields)| fields["status"] == "ACTIVE");
        let arns: Vec<String> = active.take(most).map(|(number, _)| revision_arn(*number)).collect();
        Ok(Answer::json(200, &json!({ "taskDefinitionArns": arns })))
    }

    fn tag(&mut self, body: &Value) -> Result<Answer, String> {
        if let Some(odd) = odd_tag(&body["tags"]) {
            return Err(format!("no tag is {odd}"));
        }
        let resource = match number(&body["resourceArn"]) {
            Some(number) => self.revisions.get_mut(&number).ok_or("no such revision")?,
            None if body["resourceArn"] == self.service["serviceArn"] => &mut self.service,
            None => return Err(format!("no such resource: {body}")),
        };
        let mut tags = resource["tags"].as_array().cloned().unwrap_or_default();
        let added = body["tags"].as_array().cloned().unwrap_or_default();
        let gone: Vec<&Value> = body["tagKeys"]
            .as_array()
            .into_iter()
            .flatten()
            .chain(added.iter().map(|tag| &tag["key"]))
            .collect();
        tags.retain(|tag| !gone.contains(&&tag["key"]));
        tags.extend(added.clone());
        resource["tags"] = tags.into();
        Ok(Answer::json(200, &json!({})))
    }

    fn update_service(&mut self, body: &Value) -> Result<Answer, String> {
        if body["service"] != "web" {
            return Ok(refusal(400, "ServiceNotFoundException", "Service not found."));
        }
        self.before = self.service.clone();
        if let Some(count) = body.get("desiredCount").filter(|count| !count.is_null()) {
            if self.service["schedulingStrategy"] == "DAEMON" {
                return Ok(refusal(
                    400,
                    "InvalidParameterException",
                    "A daemon service has no desiredCount.",
                ));
            }
            self.service["desiredCount"] = count.clone();
            let primary = &mut self.service["deployments"][0];
            primary["desiredCount"] = count.clone();
            primary["runningCount"] = count.clone();
            self.service["runningCount"] = count.clone();
        }
        if let Some(wanted) = body.get("taskDefinition").filter(|wanted| !wanted.is_null()) {
            let number = number(wanted).filter(|number| self.revisions.contains_key(number));
            let Some(number) = number.filter(|number| self.revisions[number]["status"] == "ACTIVE") else {
                return Ok(refusal(400, "ClientException", "TaskDefinition is inactive"));
            };
            let same = self.service["taskDefinition"] == revision_arn(number);
            if !same || body["forceNewDeployment"] == true {
                self.deploy(number);
            }
        }
        Ok(Answer::json(200, &json!({ "service": self.service })))
    }
}

/// Whose credentials these are, as STS says it.
fn identity() -> Answer {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ci</Arn><UserId>AROA:ci</UserId><Account>{ACCOUNT}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Answer::Whole(200, vec![("content-type", "text/xml".into())], body)
}
