//! S3 as moto emulates it, with what moto 5.2.5 gets wrong put right on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::moto::Moto;
use crate::recorder::{Answer, Recorder, Request, locked};

/// A front before moto. It names the answer about versioning as S3 does, and keeps policies of buckets itself: moto takes
/// a statement that denies what comes without TLS for one that denies everything.
pub struct S3 {
    recorder: Recorder,
}

impl S3 {
    /// Starts it on a free port.
    pub fn before(moto: &Arc<Moto>) -> Self {
        let (moto, policies) = (Arc::clone(moto), Mutex::<BTreeMap<String, Vec<u8>>>::default());
        let recorder = Recorder::start(move |request| {
            if request.query.split('&').any(|part| part == "policy" || part == "policy=") {
                return policy(request, &mut locked(&policies));
            }
            let answer = moto.answer(request).map_err(|error| error.to_string())?;
            Ok(match answer {
                Answer::Whole(status, headers, body) if request.query.contains("versioning") => {
                    let body = body.replace("GetBucketVersioningOutput", "VersioningConfiguration");
                    Answer::Whole(
                        status,
                        headers,
                        body.replace("GetBucketVersioningResponse", "VersioningConfiguration"),
                    )
                }
                other => other,
            })
        });
        S3 { recorder }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.recorder.url()
    }
}

fn policy(request: &Request, kept: &mut BTreeMap<String, Vec<u8>>) -> Result<Answer, String> {
    let bucket = request.path.trim_matches('/').to_owned();
    match request.method.as_str() {
        "PUT" => {
            kept.insert(bucket, request.body.clone());
            Ok(Answer::Whole(204, Vec::new(), String::new()))
        }
        "GET" => Ok(match kept.get(&bucket) {
            Some(policy) => Answer::Whole(200, Vec::new(), String::from_utf8_lossy(policy).into_owned()),
            None => Answer::Whole(
                404,
                vec![("content-type", "application/xml".into())],
                "<Error><Code>NoSuchBucketPolicy</Code><Message>none</Message></Error>".into(),
            ),
        }),
        other => Err(format!("{other} of a policy")),
    }
}
