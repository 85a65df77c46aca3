//! What the registry has, and what it answers: blobs, manifests, tags, and who may ask for them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use infra_sdk::Digest;
use serde_json::{Value, json};

use super::rules::{Guard, Rules, Website};
use super::server::Asked;
use super::upload::Upload;
use super::wire::{Answer, Fate, Request};

/// A digest that nothing has.
const NOTHING: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

pub(super) struct State {
    pub(super) rules: Rules,
    pub(super) address: SocketAddr,
    storage: SocketAddr,
    pub(super) asked: Vec<Asked>,
    /// Requests that the protocol does not know.
    pub(super) wrong: Vec<String>,
    pub(super) blobs: BTreeMap<(String, String), Vec<u8>>,
    pub(super) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub(super) tags: BTreeMap<(String, String), String>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) count: usize,
    /// Scopes of a token, and how many requests it is still good for.
    tokens: BTreeMap<String, (BTreeSet<String>, usize)>,
}

pub(super) fn answer(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: Vec::new(), cut: None }
}

pub(super) fn refused(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string().into_bytes();
    Answer { body, ..answer(status) }.header("content-type", "application/json")
}

impl Answer {
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl State {
    pub(super) fn new(rules: Rules, address: SocketAddr, storage: SocketAddr) -> Self {
        State {
            rules,
            address,
            storage,
            asked: Vec::new(),
            wrong: Vec::new(),
            blobs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
            uploads: BTreeMap::new(),
            count: 0,
            tokens: BTreeMap::new(),
        }
    }

    /// Notes a request that no client should make.
    pub(super) fn wrong(&mut self, request: &Request, why: &str) -> Answer {
        self.wrong.push(format!("{} {}: {why}", request.method, request.path));
        refused(418, "UNSUPPORTED", why)
    }

    /// What becomes of a body, before it is read.
    pub(super) fn fate(&mut self, request: &Request) -> Fate {
        let length = request.header("content-length").and_then(|length| length.parse::<u64>().ok());
        if !matches!(request.method.as_str(), "PUT" | "PATCH") || !request.path.contains("/blobs/uploads/") {
            return Fate::Whole;
        }
        if length.is_none() {
            self.wrong(request, "a body without its length");
        }
        if length.unwrap_or(0) == 0 {
            return Fate::Whole;
        }
        if self.rules.hang_uploads > 0 {
            self.rules.hang_uploads -= 1;
            return Fate::Hang;
        }
        if self.rules.cut_uploads.is_empty() {
            Fate::Whole
        } else {
            Fate::Cut(self.rules.cut_uploads.remove(0))
        }
    }

    /// What the place answers that blobs are fetched from.
    pub(super) fn stored(&mut self, request: &Request) -> Answer {
        if request.header("authorization").is_some() {
            return self.wrong(request, "the storage was told who asks");
        }
        if request.field("signature") != Some("canary-signature") {
            return self.wrong(request, "not signed");
        }
        let digest = request.path.trim_start_matches("/storage/").to_owned();
        let blob = self.blobs.iter().find(|((_, known), _)| *known == digest).map(|(_, blob)| blob.clone());
        blob.map_or_else(|| answer(404), |blob| self.bytes(request, blob))
    }

    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        if let Some(website) = self.rules.website {
            return page(website, &request.path);
        }
        let mut answer = self.known(request);
        if self.rules.names_no_digests {
            answer.headers.retain(|(name, _)| *name != "docker-content-digest");
        }
        answer
    }

    fn known(&mut self, request: &Request) -> Answer {
        if request.path == "/token" {
            return self.token(request);
        }
        let Some(rest) = request.path.strip_prefix("/v2/") else {
            return self.wrong(request, "not an address of the protocol");
        };
        if let Err(answer) = self.may_come(request) {
            return answer;
        }
        if self.rules.busy.0 > 0 {
            self.rules.busy.0 -= 1;
            let seconds = self.rules.busy.1.to_string();
            return refused(429, "TOOMANYREQUESTS", "slow down").header("retry-after", seconds);
        }
        if self.rules.failing > 0 {
            self.rules.failing -= 1;
            return answer(503);
        }
        let (repository, what, at) = parts(rest);
        match (what, request.method.as_str()) {
            ("/blobs/uploads/", _) => self.upload(request, repository, at),
            ("/blobs/", _) => self.blob(request, repository, at),
            ("/manifests/", _) => self.manifest(request, repository, at),
            ("/tags/", "GET") if at == "list" => self.list(request, repository),
            _ => self.wrong(request, "not an address of the protocol"),
        }
    }

    fn blob(&mut self, request: &Request, repository: &str, digest: &str) -> Answer {
        let Some(blob) = self.blobs.get(&(repository.to_owned(), digest.to_owned())).cloned() else {
            return refused(404, "BLOB_UNKNOWN", "blob unknown to registry");
        };
        match request.method.as_str() {
            "GET" if self.rules.redirects_blobs => {
                let at = format!("http://{}/storage/{digest}?signature=canary-signature", self.storage);
                answer(307).header("location", at)
            }
            "GET" | "HEAD" => self.bytes(request, blob).header("docker-content-digest", digest),
            _ => self.wrong(request, "blobs are only read here"),
        }
    }

    /// The bytes of a blob, or the part that is asked for.
    fn bytes(&mut self, request: &Request, blob: Vec<u8>) -> Answer {
        let from = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let (status, body) = from.map_or((200, blob.clone()), |from: usize| (206, blob[from..].to_vec()));
        let cut = (request.method == "GET" && self.rules.cut_downloads > 0).then_some(body.len() / 2);
        self.rules.cut_downloads -= usize::from(cut.is_some());
        Answer { status, headers: Vec::new(), body, cut }
    }

    fn manifest(&mut self, request: &Request, repository: &str, at: &str) -> Answer {
        let key = |at: &str| (repository.to_owned(), at.to_owned());
        match request.method.as_str() {
            "GET" | "HEAD" => {
                let digest = self.tags.get(&key(at)).cloned().unwrap_or_else(|| at.to_owned());
                let Some((media_type, content)) = self.manifests.get(&key(&digest)).cloned() else {
                    return refused(404, "MANIFEST_UNKNOWN", "manifest unknown");
                };
                if !request.header("accept").is_some_and(|accept| accept.contains(&media_type)) {
                    return self.wrong(request, "what is there is not accepted");
                }
                Answer { body: content, ..answer(200) }
                    .header("content-type", media_type)
                    .header("docker-content-digest", digest)
            }
            "PUT" => self.put_manifest(request, repository, at),
            _ => self.wrong(request, "manifests are read and put"),
        }
    }

    fn put_manifest(&mut self, request: &Request, repository: &str, at: &str) -> Answer {
        let digest = Digest::of(&request.body).to_string();
        let media_type = request.header("content-type").unwrap_or_default().to_owned();
        let Ok(manifest) = serde_json::from_slice::<Value>(&request.body) else {
            return refused(400, "MANIFEST_INVALID", "manifest invalid");
        };
        if at.starts_with("sha256:") && at != digest {
            return refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        let children = manifest["manifests"].as_array().into_iter().flatten();
        let blobs = manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config"));
        let key = |described: &Value| {
            (repository.to_owned(), described["digest"].as_str().unwrap_or_default().to_owned())
        };
        if blobs.map(key).any(|key| !self.blobs.contains_key(&key))
            || children.map(key).any(|key| !self.manifests.contains_key(&key))
        {
            return refused(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
        }
        let told = if self.rules.lies_about_manifests { NOTHING.to_owned() } else { digest.clone() };
        let taken = answer(201)
            .header("location", format!("/v2/{repository}/manifests/{digest}"))
            .header("docker-content-digest", told);
        if self.rules.drops_manifests {
            return taken;
        }
        let is_tag = !at.starts_with("sha256:");
        if is_tag {
            let tag = (repository.to_owned(), at.to_owned());
            if self.rules.immutable_tags && self.tags.contains_key(&tag) {
                let why = format!(
                    "The image tag '{at}' already exists in the '{repository}' repository and cannot be \
                     overwritten because the repository is immutable."
                );
                return refused(400, "TAG_INVALID", &why);
            }
            self.tags.insert(tag, digest.clone());
        }
        self.manifests.insert((repository.to_owned(), digest.clone()), (media_type, request.body.clone()));
        if self.rules.loses_answers > 0 {
            self.rules.loses_answers -= 1;
            return answer(503);
        }
        taken
    }

    fn list(&mut self, request: &Request, repository: &str) -> Answer {
        let after = request.field("last").unwrap_or_default();
        let mut tags: Vec<String> = self
            .tags
            .keys()
            .filter(|(known, tag)| known == repository && tag.as_str() > after)
            .map(|(_, tag)| tag.clone())
            .collect();
        if after.is_empty() && !self.blobs.keys().any(|(known, _)| known == repository) {
            return refused(404, "NAME_UNKNOWN", "repository name not known to registry");
        }
        let page = self.rules.page.unwrap_or(tags.len());
        let more = tags.len() > page;
        tags.truncate(page);
        let next = format!(
            "</v2/{repository}/tags/list?last={}&n={page}>; rel=\"next\"",
            tags.last().cloned().unwrap_or_default()
        );
        let body = json!({"name": repository, "tags": tags}).to_string().into_bytes();
        let answer = Answer { body, ..answer(200) };
        if more { answer.header("link", next) } else { answer }
    }

    /// What a blob is said to have for a digest.
    pub(super) fn told(&self, digest: &str) -> String {
        if self.rules.lies_about_blobs { NOTHING.to_owned() } else { digest.to_owned() }
    }

    fn may_come(&mut self, request: &Request) -> Result<(), Answer> {
        let said = request.header("authorization").unwrap_or_default().to_owned();
        let message = if self.rules.repeats_secrets {
            format!("not with {said}")
        } else {
            "authentication required".into()
        };
        let refuse = |challenge: String| {
            Err(refused(401, "UNAUTHORIZED", &message).header("www-authenticate", challenge))
        };
        match &self.rules.guard {
            Guard::Open => Ok(()),
            Guard::Nobody => Err(refused(403, "DENIED", "not authorized")),
            Guard::Basic(user, passwords) => {
                let good = passwords.iter().any(|password| said == basic(user, password));
                if good { Ok(()) } else { refuse("Basic realm=\"registry\"".into()) }
            }
            Guard::Bearer(..) => {
                let token = said.trim_start_matches("Bearer ").to_owned();
                let needed = needed(request);
                let good = self.tokens.get_mut(&token).is_some_and(|(scopes, left)| {
                    let may = needed.iter().all(|scope| scopes.contains(scope)) && *left > 0;
                    *left = left.saturating_sub(1);
                    may
                });
                if good {
                    return Ok(());
                }
                refuse(format!(
                    "Bearer realm=\"http://{}/token\",service=\"strict\",scope=\"x\"",
                    self.address
                ))
            }
        }
    }

    fn token(&mut self, request: &Request) -> Answer {
        let Guard::Bearer(user, password, uses) = self.rules.guard.clone() else {
            return self.wrong(request, "nobody wants a token");
        };
        if request.field("service") != Some("strict") {
            return self.wrong(request, "a token for another service");
        }
        if request.header("authorization") != Some(&basic(&user, &password)) {
            return refused(401, "UNAUTHORIZED", "who?");
        }
        let mut scopes = BTreeSet::new();
        for (_, scope) in request.query.iter().filter(|(name, _)| name == "scope") {
            let (name, actions) = scope.rsplit_once(':').unwrap_or_default();
            scopes.extend(actions.split(',').map(|action| format!("{name}:{action}")));
        }
        self.count += 1;
        let token = format!("canary-token-{}", self.count);
        self.tokens.insert(token.clone(), (scopes, uses));
        Answer { body: json!({"token": token, "expires_in": 300}).to_string().into_bytes(), ..answer(200) }
    }
}

/// What a website answers.
fn page(website: Website, path: &str) -> Answer {
    match website {
        Website::Login if path != "/login" => answer(302).header("location", "/login"),
        Website::Nods(status) => answer(status),
        Website::Login | Website::Page => {
            let body = b"<!doctype html><title>Welcome</title>".to_vec();
            Answer { body, ..answer(200) }.header("content-type", "text/html; charset=utf-8")
        }
    }
}

/// The repository, what is asked of it, and which one; a repository may have these words in its name.
fn parts(rest: &str) -> (&str, &str, &str) {
    let words = ["/blobs/uploads/", "/blobs/", "/manifests/", "/tags/"];
    let found = words.iter().filter_map(|word| Some((rest.rfind(word)?, *word)));
    // The last one; of two at the same place the longer.
    let last = found.max_by_key(|(at, word)| (*at, word.len()));
    last.map_or((rest, "", ""), |(at, word)| (&rest[..at], word, &rest[at + word.len()..]))
}

/// What a token must be for, each with one action.
fn needed(request: &Request) -> Vec<String> {
    let (repository, ..) = parts(request.path.trim_start_matches("/v2/"));
    let mut needed = vec![format!("repository:{repository}:pull")];
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        needed.push(format!("repository:{repository}:push"));
    }
    needed.extend(request.field("from").map(|from| format!("repository:{from}:pull")));
    needed
}

fn basic(user: &str, password: &str) -> String {
    // Base64 of the crate under test would be wrong on both sides alike.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for chunk in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > chunk.len() { '=' } else { char::from(alphabet[index as usize]) });
        }
    }
    text
}
