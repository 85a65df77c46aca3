//! GitHub's answers, as its documentation has them
//! (<https://docs.github.com/en/rest/actions/secrets?apiVersion=2022-11-28>).

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use crate::github::FakeGithub;
use crate::github::fake::{Kept, State};
use crate::service::{Reply, Request};

impl State {
    /// Answers a request as GitHub does.
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
        if header("authorization") != format!("Bearer {}", FakeGithub::TOKEN) {
            return told(401, "Bad credentials");
        }
        if header("accept") != "application/vnd.github+json"
            || header("x-github-api-version") != "2022-11-28"
            || !header("user-agent").starts_with("infra-sdk/")
        {
            return self.unexpected(request, "headers");
        }
        let path = request.path.trim_start_matches('/').to_owned();
        let (above, last) = path.rsplit_once('/').unwrap_or(("", &path));
        match (request.method.as_str(), last) {
            ("GET", _) if self.places.contains_key(&path) => self.list(&path, request),
            ("GET", "public-key") if self.places.contains_key(above) => self.public_key(),
            ("GET", "repositories") => self.selected(above, request),
            ("PUT", name) if self.places.contains_key(above) => self.put(above, name, request),
            ("DELETE", name) if self.places.contains_key(above) => match self.delete(above, name) {
                true => Reply::empty(204),
                false => told(404, "Not Found"),
            },
            ("GET", _) if path.starts_with("repos/") && path.split('/').count() == 3 => {
                self.repository(&path["repos/".len()..])
            }
            ("GET" | "PUT" | "DELETE", _) if is_known(&path) => told(404, "Not Found"),
            _ => self.unexpected(request, "path"),
        }
    }

    fn unexpected(&mut self, request: &Request, what: &str) -> Reply {
        self.unexpected.push(format!("{} {} ({what})", request.method, request.path));
        told(418, "no such request")
    }

    /// One page, or that it is as it was.
    fn list(&mut self, place: &str, request: &Request) -> Reply {
        let Some((page, size)) = page_of(request) else { return self.unexpected(request, "query") };
        let kept = &self.places[place];
        let entries = kept.iter().skip((page - 1) * size).take(size).map(|(name, kept)| {
            let mut entry = json!({ "name": name, "created_at": kept.created, "updated_at": kept.updated });
            if let Some(visibility) = &kept.visibility {
                entry["visibility"] = json!(visibility);
            }
            entry
        });
        let body = json!({ "total_count": kept.len(), "secrets": entries.collect::<Vec<_>>() });
        paged(body, page, size, kept.len(), request)
    }

    fn public_key(&self) -> Reply {
        let (id, pair) = &self.keys[0];
        Reply::json(200, &json!({ "key_id": id, "key": pair.public }))
    }

    fn put(&mut self, place: &str, name: &str, request: &Request) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (sealed, key_id, visibility) = (text("encrypted_value"), text("key_id"), text("visibility"));
        let of_organisation = place.starts_with("orgs/");
        let most = if of_organisation { 1000 } else { 100 };
        let valid_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.to_ascii_uppercase().starts_with("GITHUB_");
        // A sealed box is 48 bytes longer than what is in it: 64 characters of base64.
        if !valid_name || sealed.len() < 64 || of_organisation == visibility.is_empty() {
            return self.unexpected(request, "body or name");
        }
        if key_id != self.keys[0].0 {
            return told(422, "Validation Failed: the key_id is not that of the current public key");
        }
        let name = name.to_ascii_uppercase();
        let old = self.places[place].get(&name).cloned();
        if old.is_none() && self.places[place].len() >= most {
            return told(422, "Maximum number of secrets exceeded");
        }
        let now = self.tick();
        let status = if old.is_none() { 201 } else { 204 };
        // What is not sent again is taken away.
        let ids = body["selected_repository_ids"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        let repositories: BTreeSet<u64> = ids.filter(|_| visibility == "selected").collect();
        let kept = Kept {
            created: old.map_or(now.clone(), |old| old.created),
            updated: now,
            key_id,
            sealed,
            visibility: Some(visibility).filter(|visibility| !visibility.is_empty()),
            repositories,
        };
        self.places.entry(place.to_owned()).or_default().insert(name, kept);
        if status == 201 { Reply::json(201, &json!({})) } else { Reply::empty(204) }
    }

    fn delete(&mut self, place: &str, name: &str) -> bool {
        self.tick();
        let place = self.places.get_mut(place);
        place.and_then(|kept| kept.remove(&name.to_ascii_uppercase())).is_some()
    }

    /// The repositories that may use an organisation's secret.
    fn selected(&mut self, secret: &str, request: &Request) -> Reply {
        let Some((page, size)) = page_of(request) else { return self.unexpected(request, "query") };
        let (place, name) = secret.rsplit_once('/').unwrap_or_default();
        let Some(kept) = self.places.get(place).and_then(|kept| kept.get(name)) else {
            return told(404, "Not Found");
        };
        if kept.visibility.as_deref() != Some("selected") {
            return self.unexpected(request, "asks for repositories that are not selected");
        }
        let all = kept.repositories.len();
        let ids = kept.repositories.iter().skip((page - 1) * size).take(size);
        let repositories: Vec<Value> = ids.map(|id| repository("minimal-repository", *id)).collect();
        paged(json!({ "total_count": all, "repositories": repositories }), page, size, all, request)
    }

    fn repository(&self, name: &str) -> Reply {
        match self.repositories.get(&name.to_lowercase()) {
            Some(id) => Reply::json(200, &repository("full-repository", *id)),
            None => told(404, "Not Found"),
        }
    }
}

/// Paths that GitHub has, for places and secrets that it has not.
fn is_known(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let below = match parts[..] {
        ["repos", _, _, "actions", "secrets", ref below @ ..] => below,
        ["repos", _, _, "environments", _, "secrets", ref below @ ..] => below,
        ["orgs", _, "actions", "secrets", ref below @ ..] => below,
        _ => return false,
    };
    matches!(below, [] | [_])
}

/// Page and size; `None` for what GitHub would not take, or what nobody should ask.
fn page_of(request: &Request) -> Option<(usize, usize)> {
    let number = |name: &str, default: usize| match request.query.get(name) {
        Some(text) => text.parse::<usize>().ok(),
        None => Some(default),
    };
    let known = request.query.keys().all(|name| name == "page" || name == "per_page");
    let (page, size) = (number("page", 1)?, number("per_page", 30)?);
    (known && page >= 1 && (1..=100).contains(&size)).then_some((page, size))
}

/// A page with its links and mark, or 304.
fn paged(body: Value, page: usize, size: usize, all: usize, request: &Request) -> Reply {
    let mut hasher = DefaultHasher::new();
    (body.to_string(), page, size).hash(&mut hasher);
    let etag = format!("W/\"{:016x}\"", hasher.finish());
    if request.headers.get("if-none-match") == Some(&etag) {
        return Reply::empty(304).header("etag", etag);
    }
    let reply = Reply::json(200, &body).header("etag", etag);
    if page * size >= all {
        return reply;
    }
    let link = |page: usize, rel: &str| {
        format!("<https://api.github.com{}?per_page={size}&page={page}>; rel=\"{rel}\"", request.path)
    };
    reply.header("link", format!("{}, {}", link(page + 1, "next"), link(all.div_ceil(size), "last")))
}

fn told(status: u16, message: &str) -> Reply {
    let page = "https://docs.github.com/rest";
    Reply::json(status, &json!({ "message": message, "documentation_url": page }))
        .header("x-github-request-id", "FAKE:1")
}

/// A repository with everything that the description requires of it, and a number.
fn repository(schema: &str, id: u64) -> Value {
    let text = std::fs::read_to_string(crate::repo().join("tests/fixtures/github-openapi-subset.json"));
    let description: Value =
        serde_json::from_str(&text.expect("the description is there")).expect("it is JSON");
    let schemas = &description["components"]["schemas"];
    let mut repository = sample(&schemas[schema], schemas);
    repository["id"] = json!(id);
    repository
}

/// The least that a schema of the description takes.
fn sample(schema: &Value, schemas: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return sample(&schemas[name], schemas);
    }
    if let Some(first) = ["allOf", "anyOf", "oneOf"].iter().find_map(|key| schema[*key].get(0)) {
        return sample(first, schemas);
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match (schema["type"].as_str().unwrap_or("object"), schema["format"].as_str()) {
        _ if schema["nullable"] == true => Value::Null,
        ("string", Some("uri")) => json!("https://api.github.com/x"),
        ("string", Some("date-time")) => json!("2026-01-01T00:00:00Z"),
        ("string", Some("email")) => json!("someone@example.com"),
        ("string", _) => json!("x"),
        ("integer" | "number", _) => json!(1),
        ("boolean", _) => json!(false),
        ("array", _) => json!([]),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.map(|name| (name.to_owned(), sample(&schema["properties"][name], schemas))).collect()
        }
    }
}
