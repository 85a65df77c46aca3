//! A service of AWS that plays a script: each request must be the next one that is expected, and all must come.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::recorder::{Answer, Recorder, Request, locked};

/// Says what is wrong with a request's body.
type Check = dyn Fn(&Value) -> Result<(), String> + Send;

/// One expected request, and the answer to it.
pub struct Step {
    operation: &'static str,
    check: Box<Check>,
    answer: Answer,
    region: Option<&'static str>,
}

impl Step {
    /// Expects the operation, such as `StartImageScan`, and answers with `body`.
    pub fn ok(operation: &'static str, body: Value) -> Self {
        Self::answer(operation, json_answer(200, &body))
    }

    /// Expects the operation, and refuses it as AWS's JSON protocol does
    /// (<https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>).
    pub fn refused(operation: &'static str, code: &str, message: &str) -> Self {
        let body = json!({ "__type": format!("com.amazonaws#{code}"), "message": message });
        Self::answer(operation, json_answer(400, &body))
    }

    /// Expects the operation, and answers with whatever this is.
    pub fn answer(operation: &'static str, answer: Answer) -> Self {
        Step { operation, check: Box::new(|_| Ok(())), answer, region: None }
    }

    /// Also expects these members in the request's body, which may have others.
    #[must_use]
    pub fn with(self, members: Value) -> Self {
        self.check(move |body| match members.as_object() {
            Some(wanted) => wanted.iter().try_for_each(|(key, value)| {
                let found = &body[key];
                if found == value { Ok(()) } else { Err(format!("{key} is {found}, and not {value}")) }
            }),
            None => Err("a step expects members of an object".into()),
        })
    }

    /// Also looks at the request's body.
    #[must_use]
    pub fn check(mut self, check: impl Fn(&Value) -> Result<(), String> + Send + 'static) -> Self {
        let before = self.check;
        self.check = Box::new(move |body| before(body).and_then(|()| check(body)));
        self
    }

    /// Also expects the request to be signed for this region.
    #[must_use]
    pub fn in_region(mut self, region: &'static str) -> Self {
        self.region = Some(region);
        self
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)
    }
}

/// Services that speak AWS JSON 1.1, such as ECR and ECS, in a script; STS may be asked at any time. At its end it fails
/// the test if a request was not the expected one, or if one did not come.
pub struct AwsFake {
    recorder: Recorder,
    left: Arc<Mutex<VecDeque<Step>>>,
}

impl AwsFake {
    /// Plays `script`, for credentials of the account `123456789012`.
    pub fn start(script: impl IntoIterator<Item = Step>) -> Self {
        let left: Arc<Mutex<VecDeque<Step>>> = Arc::new(Mutex::new(script.into_iter().collect()));
        let steps = Arc::clone(&left);
        let recorder = Recorder::start(move |request| {
            if request.body.starts_with(b"Action=GetCallerIdentity") {
                return Ok(identity());
            }
            let mut steps = locked(&steps);
            let operation = operation(request);
            let Some(step) = steps.pop_front() else {
                return Err(format!("{operation} came after the end of the script"));
            };
            if operation != step.operation {
                return Err(format!("{operation} came, and not {}", step.operation));
            }
            if let Some(region) = step.region.filter(|region| !signed_for(request, region)) {
                return Err(format!("{operation} is not signed for {region}"));
            }
            (step.check)(&request.json()).map_err(|why| format!("{operation}: {why}"))?;
            Ok(step.answer)
        });
        AwsFake { recorder, left }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.recorder.url()
    }

    /// How many steps were not played yet.
    pub fn left(&self) -> usize {
        locked(&self.left).len()
    }
}

impl Drop for AwsFake {
    fn drop(&mut self) {
        let left = locked(&self.left);
        assert!(left.is_empty() || std::thread::panicking(), "these requests did not come: {left:?}");
    }
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid", "request-1".to_owned()),
    ];
    Answer::Whole(status, headers, body.to_string())
}

fn operation(request: &Request) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

fn signed_for(request: &Request, region: &str) -> bool {
    request.header("authorization").is_some_and(|header| header.contains(&format!("/{region}/")))
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
fn identity() -> Answer {
    let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ci</Arn><UserId>U</UserId>\
                <Account>123456789012</Account></GetCallerIdentityResult>\
                <ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
    Answer::Whole(200, vec![("content-type", "text/xml".to_owned())], body.to_owned())
}

/// A text in base64, as ECR gives its tokens.
pub fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            encoded.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}
