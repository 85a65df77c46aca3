//! The part of Cloudflare's API that knows tokens, accounts, zones and buckets, on the loopback interface.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::recorder::{Answer, Recorder, Request, locked};

/// A stand-in that keeps state and checks the token of each request, its permission and its account.
pub struct CloudflareApi {
    recorder: Recorder,
    world: Arc<Mutex<CloudflareWorld>>,
}

/// What it knows; tests change it.
pub struct CloudflareWorld {
    /// Whether the token belongs to the first account, and not to a person.
    pub account_owned: bool,
    /// What is answered to a token that asks about itself, but for its id.
    pub verified: Value,
    /// The permissions of the token, as policies name them.
    pub may: Vec<&'static str>,
    /// Permissions that are denied for one resource, whatever else is allowed: the permission and the resource.
    pub denied: Vec<(&'static str, &'static str)>,
    /// Ids and names of the accounts the token is for; the first is [`CloudflareApi::ACCOUNT`] unless a test changes it.
    pub accounts: Vec<(String, String)>,
    /// Names and states of zones.
    pub zones: Vec<(&'static str, &'static str)>,
    /// Buckets: name, jurisdiction (`default` for none), location.
    pub buckets: Vec<(String, String, String)>,
    /// Where a bucket that is made comes to lie, whatever it was asked for; `None`: where it was asked for.
    pub puts: Option<&'static str>,
    /// Names of Workers.
    pub workers: Vec<&'static str>,
    /// What the next requests are answered with; `None` for what the rest says.
    pub next: VecDeque<Option<Answer>>,
}

impl CloudflareApi {
    /// The account.
    pub const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
    /// The token.
    pub const TOKEN: &str = "canary-token-5b1d";
    /// The token's id.
    pub const TOKEN_ID: &str = "ed17574386854bf78a67040be0a770b0";
    /// The lower-case SHA-256 of the token.
    pub const R2_SECRET: &str = "a86c7fafab20cf58f4fcd656d6f1b28676c57dbc4c15a55e76e59a88e5eb8c97";

    /// Starts it with a person's token that may do everything and never ends, one account and nothing in it.
    pub fn start() -> Self {
        let world = Arc::new(Mutex::new(CloudflareWorld {
            account_owned: false,
            verified: json!({"status": "active"}),
            may: vec![
                "Workers Scripts Write",
                "Workers Containers Write",
                "Workers Routes Write",
                "Workers R2 Storage Write",
                "Zone Read",
                "Account Settings Read",
                "API Tokens Read",
                "Account API Tokens Read",
            ],
            denied: Vec::new(),
            accounts: vec![(Self::ACCOUNT.into(), "Acme".into())],
            zones: Vec::new(),
            buckets: Vec::new(),
            puts: None,
            workers: Vec::new(),
            next: VecDeque::new(),
        }));
        let shared = Arc::clone(&world);
        let recorder = Recorder::start(move |request| {
            let mut world = locked(&shared);
            match world.next.pop_front().flatten() {
                Some(answer) => Ok(answer),
                None => world.answer(request),
            }
        });
        CloudflareApi { recorder, world }
    }

    /// What `CLOUDFLARE_API_BASE_URL` is set to.
    pub fn url(&self) -> String {
        format!("{}/client/v4", self.recorder.url())
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Request> {
        self.recorder.take()
    }

    /// Changes what it knows.
    pub fn set(&self, change: impl FnOnce(&mut CloudflareWorld)) {
        change(&mut locked(&self.world));
    }

    /// An answer that refuses, with one error.
    pub fn refusal(status: u16, code: u32, message: &str) -> Answer {
        let errors = json!([{"code": code, "message": message}]);
        Answer::json(status, &json!({"success": false, "errors": errors, "messages": [], "result": null}))
    }
}

impl CloudflareWorld {
    fn answer(&mut self, request: &Request) -> Result<Answer, String> {
        let path = request.path.strip_prefix("/client/v4/").ok_or("nothing is outside of /client/v4/")?;
        let parts: Vec<&str> = path.split('/').collect();
        let verify = parts.ends_with(&["tokens", "verify"]);
        if request.header("authorization") != Some(&format!("Bearer {}", CloudflareApi::TOKEN)) {
            let (code, what) =
                if verify { (1000, "Invalid API Token") } else { (10000, "Authentication error") };
            return Ok(CloudflareApi::refusal(401, code, what));
        }
        if let ["accounts", account, _, ..] = parts[..]
            && !self.accounts.iter().any(|(known, _)| known == account)
        {
            return Ok(CloudflareApi::refusal(403, 10000, "Authentication error"));
        }
        let needed = match (request.method.as_str(), &parts[..]) {
            ("GET", ["user" | "accounts", .., "tokens", "verify"]) => "",
            ("GET", ["user", "tokens", _]) => "API Tokens",
            ("GET", ["accounts", _, "tokens", _]) => "Account API Tokens",
            ("GET", ["accounts"]) => "",
            ("GET", ["accounts", _]) => "Account Settings",
            ("GET", ["zones"]) => "Zone",
            ("GET" | "POST", ["accounts", _, "r2", "buckets"]) => "Workers R2 Storage",
            ("GET", ["accounts", _, "workers", "scripts", _, "secrets"]) => "Workers Scripts",
            _ => return Err("there is no such request".into()),
        };
        let enough = |group: &&str| {
            let what = group.strip_prefix(needed).map(str::trim);
            what == Some("Write") || (what == Some("Read") && request.method == "GET")
        };
        if !needed.is_empty() && !self.may.iter().any(enough) {
            return Ok(CloudflareApi::refusal(403, 10000, "Authentication error"));
        }
        match (request.method.as_str(), &parts[..]) {
            (_, ["user", "tokens", "verify"]) if self.account_owned => {
                Ok(CloudflareApi::refusal(401, 1000, "Invalid API Token"))
            }
            (_, ["accounts", _, "tokens", "verify"]) if !self.account_owned => {
                Ok(CloudflareApi::refusal(401, 1000, "Invalid API Token"))
            }
            (_, [.., "tokens", "verify"]) => {
                let mut verified = self.verified.clone();
                verified["id"] = CloudflareApi::TOKEN_ID.into();
                Ok(done(&verified))
            }
            (_, [.., "tokens", id]) if *id == CloudflareApi::TOKEN_ID => Ok(done(&self.policies())),
            (_, ["accounts"]) => self.accounts(request),
            (_, ["accounts", id]) => Ok(match self.accounts.iter().find(|(known, _)| known == id) {
                Some(found) => done(&account(found)),
                None => CloudflareApi::refusal(403, 9109, "Unauthorized to access requested resource"),
            }),
            (_, ["zones"]) => self.zones(request),
            ("GET", [.., "r2", "buckets"]) => self.buckets(request),
            ("POST", [.., "r2", "buckets"]) => self.make_bucket(request),
            (_, [.., "scripts", script, "secrets"]) => Ok(if self.workers.contains(script) {
                done(&json!([]))
            } else {
                CloudflareApi::refusal(404, 10007, "This Worker does not exist on your account.")
            }),
            _ => Err("there is no such thing".into()),
        }
    }

    fn policies(&self) -> Value {
        let groups: Vec<Value> = self.may.iter().map(|name| json!({"id": "1", "name": name})).collect();
        let resources: serde_json::Map<String, Value> = (self.accounts.iter())
            .map(|(id, _)| (format!("com.cloudflare.api.account.{id}"), "*".into()))
            .collect();
        let mut policies =
            vec![json!({"effect": "allow", "permission_groups": groups, "resources": resources})];
        policies.extend(self.denied.iter().map(|(name, resource)| {
            json!({"effect": "deny", "permission_groups": [{"id": "1", "name": name}], "resources": {*resource: "*"}})
        }));
        json!({"id": CloudflareApi::TOKEN_ID, "name": "ci", "status": "active", "policies": policies})
    }

    /// Pages as <https://developers.cloudflare.com/api/resources/accounts/methods/list/> describes them.
    fn accounts(&self, request: &Request) -> Result<Answer, String> {
        let number = |name, usual: usize| {
            query(request, name).map_or(Ok(usual), str::parse).map_err(|_| format!("{name} is no number"))
        };
        let (page, most) = (number("page", 1)?, number("per_page", 20)?);
        if page == 0 || !(5..=50).contains(&most) {
            return Err(format!("there is no page {page} of {most} accounts"));
        }
        let listed: Vec<Value> =
            self.accounts.iter().skip((page - 1) * most).take(most).map(account).collect();
        let info = json!({"page": page, "per_page": most, "count": listed.len(), "total_count": self.accounts.len(),
                          "total_pages": self.accounts.len().div_ceil(most)});
        Ok(Answer::json(
            200,
            &json!({"success": true, "errors": [], "messages": [], "result": listed, "result_info": info}),
        ))
    }

    fn zones(&self, request: &Request) -> Result<Answer, String> {
        let name = query(request, "name").ok_or("a zone is asked for by name")?;
        let found = self.zones.iter().filter(|(known, _)| *known == name);
        Ok(done(&found.map(|(name, status)| zone(name, status)).collect()))
    }

    fn buckets(&self, request: &Request) -> Result<Answer, String> {
        let within = request.header("cf-r2-jurisdiction").unwrap_or("default");
        let part = query(request, "name_contains").unwrap_or_default();
        let all = self
            .buckets
            .iter()
            .filter(|(name, jurisdiction, _)| jurisdiction == within && name.contains(part));
        let all: Vec<Value> = all
            .map(|(name, jurisdiction, location)| {
                json!({"name": name, "jurisdiction": jurisdiction, "location": location, "storage_class": "Standard",
                       "creation_date": "2026-11-20T10:00:00.000Z"})
            })
            .collect();
        // Two a page, whatever was asked for, so that a list goes on.
        let from: usize =
            query(request, "cursor").map_or(Ok(0), str::parse).map_err(|_| "a cursor of ours")?;
        let page: Vec<&Value> = all.iter().skip(from).take(2).collect();
        let mut body = json!({"success": true, "errors": [], "messages": [], "result": {"buckets": page},
                              "result_info": {"per_page": 2}});
        if from + 2 < all.len() {
            body["result_info"]["cursor"] = (from + 2).to_string().into();
        }
        Ok(Answer::json(200, &body))
    }

    fn make_bucket(&mut self, request: &Request) -> Result<Answer, String> {
        if request.header("content-type") != Some("application/json") {
            return Err("a bucket is made of JSON".into());
        }
        let (body, within) = (request.json(), request.header("cf-r2-jurisdiction").unwrap_or("default"));
        let name = body["name"].as_str().ok_or("a bucket has a name")?;
        let hint = body.get("locationHint").map(|hint| hint.as_str().ok_or("a hint is text")).transpose()?;
        let known = ["wnam", "enam", "weur", "eeur", "apac", "oc"];
        if !["default", "eu", "fedramp"].contains(&within) || hint.is_some_and(|hint| !known.contains(&hint))
        {
            return Err(format!("{within} and {hint:?} are no place"));
        }
        if hint.is_some() && within != "default" {
            return Err("a jurisdiction and a location at once".into());
        }
        if self.buckets.iter().any(|(known, jurisdiction, _)| known == name && jurisdiction == within) {
            return Ok(CloudflareApi::refusal(409, 10004, "The bucket you tried to create already exists."));
        }
        let lies = self.puts.or(hint).unwrap_or("enam").to_uppercase();
        self.buckets.push((name.into(), within.into(), lies));
        let mut made = json!({"name": name, "jurisdiction": within});
        if let Some(hint) = hint {
            made["location"] = hint.into();
        }
        Ok(done(&made))
    }
}

/// A zone with all that Cloudflare's description says one has.
fn zone(name: &str, status: &str) -> Value {
    let time = "2026-01-01T00:00:00Z";
    json!({
        "id": "023e105f4ecef8ad9ca31a8372d0c3aa", "name": name, "status": status, "paused": false, "type": "full",
        "account": {"id": CloudflareApi::ACCOUNT, "name": "Acme"}, "owner": {"name": "Acme", "type": "organization"},
        "development_mode": 0, "meta": {"step": 2}, "name_servers": ["ada.ns.example", "ben.ns.example"],
        "original_name_servers": null, "original_registrar": null, "original_dnshost": null,
        "created_on": time, "modified_on": time, "activated_on": time,
    })
}

fn account((id, name): &(String, String)) -> Value {
    json!({"id": id, "name": name, "type": "standard", "settings": {"enforce_twofactor": false},
           "created_on": "2026-01-01T00:00:00.000000Z"})
}

fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, v)| v)
}

fn done(result: &Value) -> Answer {
    Answer::json(200, &json!({"success": true, "errors": [], "messages": [], "result": result}))
}
