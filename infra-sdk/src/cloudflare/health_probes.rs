//! The questions of a health check, each answered by a probe.

use std::time::Duration;

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::health_needs::{BucketNeed, CloudflareNeeds};
use crate::cloudflare::health_workers::routes_to_make;
use crate::cloudflare::permissions::Permission;
use crate::cloudflare::verify::{TokenOwner, TokenStatus};
use crate::cloudflare::verify_account::listed;
use crate::error::{Error, ErrorKind};
use crate::health::{Probe, State};
use crate::time::{Timestamp, human};

/// A token that ends sooner than this is worth a word.
const SOON: Duration = Duration::from_secs(7 * 86_400);

/// What several things of a kind were found to be, for one probe.
pub(super) struct Findings {
    state: State,
    saw: Vec<String>,
    hints: Vec<String>,
}

impl Findings {
    pub(super) fn new() -> Self {
        Findings { state: State::Ok, saw: Vec::new(), hints: Vec::new() }
    }

    pub(super) fn add(&mut self, state: State, saw: impl Into<String>) {
        self.state = self.state.max(state);
        self.saw.push(saw.into());
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    pub(super) fn error(&mut self, of: &str, error: &Error) {
        self.add(state_of(error), format!("{of}: {error}"));
        error.hints().iter().for_each(|hint| self.hint(hint));
    }

    pub(super) fn probe(self, name: &'static str) -> Probe {
        let probe = Probe::new(name, self.state, self.saw.join("; "));
        self.hints.into_iter().fold(probe, Probe::hint)
    }
}

/// A permission that is missing is told from everything else that can be wrong.
fn state_of(error: &Error) -> State {
    let lacks = error.kind() == ErrorKind::Denied && error.context().any(|(key, _)| key == "permission");
    if lacks { State::NotPermitted } else { State::Failed }
}

/// Whether the token is accepted, for a run of this length.
pub(super) async fn token(
    cloudflare: &Cloudflare,
    needs: &CloudflareNeeds,
    planned: Duration,
) -> (Probe, Option<TokenStatus>) {
    let mut findings = Findings::new();
    let mut accounts = needs.accounts();
    // Whether the one of the environment can be one is said where it is needed.
    accounts.extend(cloudflare.account(None).ok().filter(|own| !needs.accounts().contains(own)));
    let status = match cloudflare.verify_token_of(&accounts).await {
        Ok(status) => status,
        Err(error) => {
            findings.error("CLOUDFLARE_API_TOKEN", &error);
            return (findings.probe("token"), None);
        }
    };
    let now = Timestamp::now();
    if let Some(trouble) = status.trouble(now, planned) {
        findings.add(State::Failed, trouble);
        findings.hint(
            "let the dashboard (API tokens) say that it is enabled, has begun and lasts longer than the run; or set \
             CLOUDFLARE_API_TOKEN to another one",
        );
    } else {
        let ends = match status.expires {
            None => "it never expires".to_owned(),
            Some(expires) => format!("it ends in {}", human(now.until(expires))),
        };
        let soon = status.expires.is_some_and(|expires| now.until(expires) < SOON);
        findings.add(if soon { State::Degraded } else { State::Ok }, format!("active, {ends}"));
        if soon {
            findings.hint("make a new token before this one ends");
        }
    }
    let probe = findings.probe("token").with("owner", status.owner);
    let probe = match status.expires {
        Some(expires) => probe.with("expires", expires),
        None => probe,
    };
    (probe, Some(status))
}

/// Whether the accounts that are meant can be seen; also the one that is meant where none is named.
pub(super) async fn accounts(cloudflare: &Cloudflare, needs: &CloudflareNeeds) -> (Probe, Option<String>) {
    let mut findings = Findings::new();
    let mut unseen = false;
    let mut own = None;
    if needs.wants_own_account() {
        match (cloudflare.own_account(), cloudflare.only_account().await) {
            // Whoever deploys asks for no list of accounts: the one it writes to has to be named.
            (None, Ok(account)) if !needs.unnamed().is_empty() => {
                let (name, id, why) = (account.name.escape_debug(), &account.id, needs.unnamed().join(", "));
                findings.add(
                    State::Failed,
                    format!("none is named for {why}; this token sees only {name} ({id})"),
                );
                findings.hint(format!(
                    "set CLOUDFLARE_ACCOUNT_ID={id}, or in infra.toml `account` under `[deploy]`, or of the store"
                ));
                own = Some(account.id);
            }
            (_, Ok(account)) => {
                findings.add(State::Ok, format!("{} ({})", account.name.escape_debug(), account.id));
                own = Some(account.id);
            }
            (Some(id), Err(error)) => {
                unseen |= refused(cloudflare, &mut findings, id, &error).await;
                own = Some(id.to_owned());
            }
            (None, Err(error)) => findings.error("the account", &error),
        }
    }
    for id in needs.accounts().into_iter().filter(|id| own.as_deref() != Some(*id)) {
        match cloudflare.account_named(id).await {
            Ok(account) => findings.add(State::Ok, format!("{} ({id})", account.name.escape_debug())),
            Err(error) => unseen |= refused(cloudflare, &mut findings, id, &error).await,
        }
    }
    if findings.saw.is_empty() {
        findings.add(State::Ok, "this repo needs none of the token");
    }
    // Nothing here reads the settings of an account: what is needed in it says whether it is the right one.
    let only_unseen = unseen && findings.state == State::NotPermitted;
    let probe = findings.probe("account");
    (if only_unseen { probe.not_needed() } else { probe }, own)
}

/// An account that the token may not see may be another's: those that it sees tell.
async fn refused(cloudflare: &Cloudflare, findings: &mut Findings, id: &str, error: &Error) -> bool {
    if !matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) {
        findings.error(id, error);
        return false;
    }
    match cloudflare.accounts().await {
        Ok(seen) if seen.iter().any(|account| account.id == id) => {
            findings.add(State::Ok, id);
            false
        }
        Ok(seen) if !seen.is_empty() => {
            findings.add(State::Failed, format!("{id}: the token is for another account: {}", listed(&seen)));
            findings.hint(
                "correct the account in infra.toml or CLOUDFLARE_ACCOUNT_ID, or use a token of this account",
            );
            false
        }
        _ => {
            findings.error(id, error);
            true
        }
    }
}

/// Whether the token may do all that is needed, if it may say so.
pub(super) async fn permissions(
    cloudflare: &Cloudflare,
    needs: &CloudflareNeeds,
    status: &TokenStatus,
    own: Option<&str>,
) -> Probe {
    let mut needed = needs.permissions(own);
    for (script, routes) in routes_to_make(cloudflare, &needs.workers, own).await {
        let why = format!("the routes of {script}: {}", routes.join(", "));
        needed.entry((Permission::ROUTES, None)).or_default().push(why);
    }
    let mut findings = Findings::new();
    let named = |permission: &Permission, whys: &[String]| format!("`{permission}` for {}", whys.join(", "));
    let all: Vec<String> = needed.iter().map(|((permission, _), whys)| named(permission, whys)).collect();
    if all.is_empty() {
        return Probe::new("permissions", State::Ok, "this repo needs none");
    }
    let held = match cloudflare.held(status).await {
        Ok(held) => held,
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => {
            let reading = match status.owner {
                TokenOwner::User => Permission::USER_TOKENS,
                TokenOwner::Account => Permission::ACCOUNT_TOKENS,
            };
            let saw = "the token may not read what it may do: what it may change shows when it is used";
            return Probe::new("permissions", State::NotPermitted, saw)
                .with("needed", all.join("; "))
                .hint(format!("give it `{reading}` to have them checked"))
                .not_needed();
        }
        Err(error) => {
            findings.error("the token", &error);
            return findings.probe("permissions");
        }
    };
    for ((permission, account), whys) in &needed {
        let has = match account {
            _ if *permission == Permission::R2 => {
                needs.buckets.iter().filter(|bucket| bucket.by_token).all(|bucket| {
                    Some(&bucket.account) != account.as_ref()
                        || held.allows_objects(&bucket.account, bucket.jurisdiction, &bucket.name)
                })
            }
            Some(account) => held.allows(*permission, account),
            None => held.allows_some(*permission),
        };
        if has {
            findings.add(State::Ok, format!("`{permission}`"));
        } else {
            findings.add(State::NotPermitted, format!("missing: {}", named(permission, whys)));
            let account = account.as_deref().map(|id| format!(" in the account {id}")).unwrap_or_default();
            findings.hint(format!("give the token the permission `{permission}`{account}"));
        }
    }
    findings.probe("permissions")
}

/// Whether the zones are there and Cloudflare answers for them.
pub(super) async fn zones(cloudflare: &Cloudflare, zones: &[String]) -> Probe {
    let mut findings = Findings::new();
    for name in zones {
        match cloudflare.zone(name, None).await {
            Ok(Some(zone)) if zone.status == "active" => findings.add(State::Ok, name),
            Ok(Some(zone)) => {
                findings.add(State::Degraded, format!("{name} is {}", zone.status.escape_debug()));
                findings.hint(
                    "point the domain to the name servers that Cloudflare's dashboard shows for the zone",
                );
            }
            Ok(None) => {
                findings.add(State::Failed, format!("{name} is not there, or not shown to this token"));
                findings.hint(format!("add the zone, or give the token `{}` for it", Permission::ZONE));
            }
            Err(error) => findings.error(name, &error),
        }
    }
    findings.probe("zones")
}

/// Whether the buckets are there, where they are to be.
pub(super) async fn buckets(cloudflare: &Cloudflare, buckets: &[BucketNeed]) -> Probe {
    let mut findings = Findings::new();
    for need in buckets {
        let (name, why) = (&need.name, &need.why);
        let bucket = match cloudflare.r2_bucket(&need.account, name, need.jurisdiction, need.location) {
            Ok(bucket) => bucket,
            Err(error) => {
                findings.error(name, &error);
                continue;
            }
        };
        match bucket.look().await {
            Ok(Some(found)) => match bucket.mismatch(&found) {
                None => findings.add(State::Ok, format!("{name}, for {why}")),
                Some(error) => {
                    findings.add(State::Degraded, format!("{name}: {error}"));
                    error.hints().iter().for_each(|hint| findings.hint(hint));
                }
            },
            Ok(None) => {
                findings.add(State::Failed, format!("{name} is not there, for {why}"));
                findings.hint("make it with `cargo xtask infra:cloudflare:setup`");
            }
            Err(error) => findings.error(name, &error),
        }
    }
    let probe = findings.probe("r2");
    if buckets.iter().any(|bucket| bucket.by_token) { probe } else { probe.not_needed() }
}
