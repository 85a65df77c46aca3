//! What of the streams and buckets is missing or other than it should be, and setting that right.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::config::Nats as Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Access, AssetSetting, AssetStep, AssetsPlan, EventStore, Permissions, Source};
use crate::nats::Nats;
use crate::nats::assets::{Asset, Rule, Want, Wishes, wanted};
use crate::nats::assets_account::{ACCOUNT, Account};
use crate::nats::assets_obstacles::{covers, obstacles, refuses_changes};
use crate::nats::assets_permissions::permissions;
use crate::nats::clustered;

/// The streams and buckets of an account, made ready as plan and apply.
///
/// ```no_run
/// # async fn example(nats: infra_sdk::nats::Nats) -> infra_sdk::Result<()> {
/// use infra_sdk::{config, events::EventStore, nats::NatsAssets};
/// let assets = NatsAssets::new(nats, &config::Nats::default());
/// let plan = assets.plan_setup().await?;
/// println!("{plan}");
/// assets.set_up(&plan).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NatsAssets {
    nats: Nats,
    wishes: Wishes,
}

/// A stream's settings as JetStream tells them, with those that this crate knows nothing of.
pub(super) type Config = Map<String, Value>;

impl NatsAssets {
    /// Those of the account that `nats` connects to, with the `replicas` and the `ledger` of the settings.
    pub fn new(nats: Nats, settings: &Settings) -> Self {
        NatsAssets { nats, wishes: Wishes { replicas: settings.replicas, ledger: settings.ledger } }
    }

    async fn wanted(&self) -> Result<Vec<Asset>> {
        if self.wishes.replicas.is_some() {
            return Ok(wanted(self.wishes, false));
        }
        let info = self.nats.client().await?.server_info();
        let ask = || async {
            let answer = self.nats.ask::<Value>("look for other servers", clustered::QUESTION, &()).await;
            let answer = answer.map_err(|error| {
                error.hint(
                    "or say how many servers are to keep everything: `nats = { replicas = 3 }` in infra.toml",
                )
            });
            Ok::<_, Error>(answer?.err().map_or(0, |refusal| refusal.number))
        };
        let cluster = clustered::cluster(&info, self.nats.target(), ask).await?;
        Ok(wanted(self.wishes, cluster.is_some()))
    }

    /// The settings of a stream; `None` when it is not there.
    async fn config(&self, asset: &Asset) -> Result<Option<Config>> {
        let what = format!("look at the {}", asset.label);
        let subject = format!("STREAM.INFO.{}", asset.stream);
        match self.nats.ask::<Value>(&what, &subject, &()).await? {
            Ok(mut info) => match info.get_mut("config").map(Value::take) {
                Some(Value::Object(config)) => Ok(Some(config)),
                _ => Err(Error::new(ErrorKind::Failed, what)
                    .because("the answer has no settings")
                    .hint("check that the address is that of a NATS server")),
            },
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(self.nats.refused(&what, &refusal)),
        }
    }

    /// What the account allows, as far as making streams goes.
    async fn account(&self) -> Result<Account> {
        let what = "look at the limits of the account";
        match self.nats.ask::<Value>(what, "INFO", &()).await? {
            Ok(info) => Ok(Account::of(&info)),
            Err(refusal) => Err(self.nats.refused(what, &refusal)),
        }
    }

    /// One step of a plan, if it is still as it was planned.
    async fn set_right(&self, planned: &AssetStep, assets: &[Asset]) -> Result<()> {
        let asset = assets.iter().find(|asset| asset.label == planned.asset);
        let asset = asset.ok_or_else(|| changed(&planned.asset))?;
        let config = self.config(asset).await?;
        let account = if config.is_none() { Some(self.account().await?) } else { None };
        let size = account.as_ref().and_then(|account| account.size_of(asset));
        match (sized_step(asset, config.as_ref(), size), config, account) {
            // Somebody else did it meanwhile.
            (None, ..) => Ok(()),
            (Some(now), ..) if now != *planned => Err(changed(&planned.asset)),
            (Some(_), Some(config), _) => self.correct(asset, config).await,
            (Some(_), None, account) => self.create(asset, &account.unwrap_or_default()).await,
        }
    }

    async fn create(&self, asset: &Asset, account: &Account) -> Result<()> {
        let mut config = birth(asset);
        if let Some(size) = account.size_of(asset) {
            config.insert("max_bytes".into(), json!(size));
        }
        let what = format!("make the {}", asset.label);
        let subject = format!("STREAM.CREATE.{}", asset.stream);
        let answer = self.nats.ask::<Value>(&what, &subject, &config).await?;
        answer.map(drop).map_err(|refusal| self.nats.refused(&what, &refusal))
    }

    async fn correct(&self, asset: &Asset, mut config: Config) -> Result<()> {
        for want in asset.wants.iter().filter(|want| want.rule != Rule::Fixed) {
            if !want.is_met(config.get(want.name)) {
                config.insert(want.name.into(), want.merged(config.get(want.name)));
            }
        }
        let what = format!("correct the {}", asset.label);
        let subject = format!("STREAM.UPDATE.{}", asset.stream);
        let answer = self.nats.ask::<Value>(&what, &subject, &config).await?;
        answer.map(drop).map_err(|refusal| self.nats.refused(&what, &refusal))
    }
}

#[async_trait]
impl EventStore for NatsAssets {
    async fn plan_setup(&self) -> Result<AssetsPlan> {
        let mut found = Vec::new();
        for asset in self.wanted().await? {
            let config = self.config(&asset).await?;
            found.push((asset, config));
        }
        let missing: Vec<&Asset> =
            found.iter().filter(|(_, config)| config.is_none()).map(|(asset, _)| asset).collect();
        let account = if missing.is_empty() { Account::default() } else { self.account().await? };
        let mut known = account.obstacles(&missing);
        let mut steps = Vec::new();
        for (asset, config) in &found {
            let in_the_way = config.as_ref().is_some_and(|config| refuses_changes(asset, config));
            known.extend(config.iter().flat_map(|config| obstacles(asset, config)));
            // What the server would refuse is not tried: the others are set right all the same.
            let step = sized_step(asset, config.as_ref(), account.size_of(asset));
            steps.extend(step.filter(|_| !in_the_way));
        }
        Ok(AssetsPlan { place: self.nats.target().address(), steps, obstacles: known })
    }

    async fn set_up(&self, plan: &AssetsPlan) -> Result<()> {
        // Where not everything finds room nothing is begun.
        if let Some(full) = plan.obstacles.iter().find(|obstacle| obstacle.asset == ACCOUNT) {
            return Err(Error::new(ErrorKind::Failed, "make the streams and buckets ready")
                .because(format!("{ACCOUNT}: {}", full.what))
                .hint(full.next.clone()));
        }
        let assets = self.wanted().await?;
        let mut right: Vec<&str> = Vec::new();
        for planned in &plan.steps {
            self.set_right(planned, &assets).await.map_err(|error| match right.is_empty() {
                true => error,
                false => error
                    .with("set right before", right.join(", "))
                    .hint("then run it again: what is right already is left alone"),
            })?;
            right.push(&planned.asset);
        }
        Ok(())
    }

    fn permissions(&self, source: &Source, access: Access) -> Result<Permissions> {
        Ok(permissions(&self.nats, self.wishes, source, access))
    }
}

fn changed(asset: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the {asset} was changed since the plan was made"))
        .hint("look at the plan again with `--dry-run`")
}

/// What is to be done about an asset, if anything.
pub(super) fn step(asset: &Asset, config: Option<&Config>) -> Option<AssetStep> {
    let shown = |want: &Want, value: &Value| shown(want.name, value);
    let settings: Vec<AssetSetting> = asset
        .wants
        .iter()
        .filter(|want| {
            config.is_none_or(|config| want.rule != Rule::Fixed && !want.is_met(config.get(want.name)))
        })
        .map(|want| {
            let is = config.map(|config| config.get(want.name));
            AssetSetting {
                name: want.name.into(),
                is: is.map(|is| is.map_or_else(|| "not set".into(), |value| shown(want, value))),
                wanted: shown(want, &want.merged(is.flatten())),
            }
        })
        .collect();
    (!settings.is_empty()).then(|| AssetStep {
        asset: asset.label.clone(),
        about: asset.about.into(),
        create: config.is_none(),
        settings,
    })
}

/// The same, with the size of a stream that is made where the account wants to know it.
fn sized_step(asset: &Asset, config: Option<&Config>, size: Option<u64>) -> Option<AssetStep> {
    let mut step = step(asset, config)?;
    if let Some(size) = size.filter(|_| step.create) {
        step.settings.push(AssetSetting { name: "max_bytes".into(), is: None, wanted: size.to_string() });
    }
    Some(step)
}

/// The settings of a stream that is made: those that are wanted, and no limits beside them.
pub(super) fn birth(asset: &Asset) -> Config {
    let mut config = Config::new();
    config.insert("name".into(), json!(asset.stream));
    config.insert("description".into(), json!(asset.about));
    for unlimited in ["max_msgs", "max_bytes", "max_consumers", "max_msgs_per_subject", "max_msg_size"] {
        config.insert(unlimited.into(), json!(-1));
    }
    config.extend(asset.wants.iter().map(|want| (want.name.to_owned(), want.value.clone())));
    config
}

impl Want {
    pub(super) fn is_met(&self, is: Option<&Value>) -> bool {
        let is = is.unwrap_or(&Value::Null);
        match self.rule {
            // What is off or nothing is not told.
            Rule::Exactly | Rule::Fixed => {
                *is == self.value || is.is_null() && (self.value == json!(0) || self.value == json!(false))
            }
            Rule::Roomy => is.as_i64().is_none_or(|limit| limit <= 0 || limit >= 1 << 20),
            Rule::AtLeast => self.is_unlimited(is) || is.is_number() && is.as_f64() >= self.value.as_f64(),
            Rule::Includes => {
                let has = |member: &Value| is.as_array().is_some_and(|list| list.contains(member));
                self.value.as_array().is_some_and(|list| list.iter().all(has))
            }
        }
    }

    /// Whether there is no limit: to set one would remove what is there.
    fn is_unlimited(&self, is: &Value) -> bool {
        match self.name {
            "max_age" => is.as_i64() == Some(0),
            "max_msgs_per_subject" => is.as_i64().is_some_and(|count| count <= 0),
            _ => false,
        }
    }

    /// The value to write: of a list, what is there already stays.
    fn merged(&self, is: Option<&Value>) -> Value {
        let (Rule::Includes, Some(Value::Array(is)), Value::Array(wanted)) = (self.rule, is, &self.value)
        else {
            return self.value.clone();
        };
        // A server takes no two subjects of a stream that overlap; what is wanted has all that a narrower one has.
        let narrower = |member: &Value| wanted.iter().any(|wide| wide != member && covers(wide, member));
        let mut all: Vec<Value> = is.iter().filter(|member| !narrower(member)).cloned().collect();
        all.extend(wanted.iter().filter(|member| !is.contains(member)).cloned());
        Value::Array(all)
    }
}

/// A value as people read it: lengths of time in days, lists in a line.
pub(super) fn shown(name: &str, value: &Value) -> String {
    let is_time = matches!(name, "max_age" | "duplicate_window" | "subject_delete_marker_ttl");
    match value {
        Value::Number(number) if is_time => match number.as_u64() {
            Some(0) | None => "unlimited".into(),
            Some(nanos) => humantime::format_duration(std::time::Duration::from_nanos(nanos)).to_string(),
        },
        Value::Array(list) => list.iter().map(|member| shown("", member)).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.escape_debug().to_string(),
        Value::Null => "not set".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::nats) fn events() -> Asset {
        wanted(Wishes { replicas: None, ledger: false }, false).remove(0)
    }

    pub(in crate::nats) fn with(name: &str, value: Value) -> Config {
        let mut config = birth(&events());
        config.insert(name.into(), value);
        config
    }

    #[test]
    fn a_stream_that_was_just_made_needs_nothing() {
        assert_eq!(step(&events(), Some(&birth(&events()))), None);
        assert!(step(&events(), None).unwrap().create);
    }

    #[test]
    fn only_what_differs_is_corrected_and_what_others_set_stays() {
        let config = with("max_age", json!(3_600_000_000_000_u64));
        let step = step(&events(), Some(&config)).unwrap();
        assert_eq!(step.settings.len(), 1);
        assert_eq!(step.settings[0].to_string(), "max_age: 1h -> 30days");
        for (name, value) in
            [("max_bytes", json!(1000)), ("num_replicas", json!(5)), ("new_in_2.99", json!(true))]
        {
            assert_eq!(self::step(&events(), Some(&with(name, value))), None, "{name}");
        }
    }

    #[test]
    fn a_queue_keeps_one_offer_a_repo_and_takes_the_next_in_its_place() {
        let queue = wanted(Wishes { replicas: None, ledger: false }, false).remove(1);
        let mut config = birth(&queue);
        config.remove("discard_new_per_subject");
        assert_eq!(step(&queue, Some(&config)), None, "what is off is not told");
        config.insert("max_msgs_per_subject".into(), json!(-1));
        config.insert("discard_new_per_subject".into(), json!(true));
        let settings = step(&queue, Some(&config)).unwrap().settings;
        let told: Vec<String> = settings.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["max_msgs_per_subject: -1 -> 1", "discard_new_per_subject: true -> false"]);
    }

    #[test]
    fn subjects_of_others_stay_beside_ours() {
        let step = step(&events(), Some(&with("subjects", json!(["mine.>"])))).unwrap();
        assert_eq!(step.settings[0].to_string(), "subjects: mine.> -> mine.>, infra.v1.evt.>");
        let both = with("subjects", json!(["mine.>", "infra.v1.evt.>"]));
        assert_eq!(self::step(&events(), Some(&both)), None);
    }

    #[test]
    fn what_a_stream_keeps_for_life_is_an_obstacle_and_no_step() {
        for (name, value) in [("storage", json!("memory")), ("retention", json!("interest"))] {
            let config = with(name, value);
            assert_eq!(step(&events(), Some(&config)), None);
            let found = obstacles(&events(), &config);
            assert!(found[0].what.contains(name) && found[0].next.contains("backup"), "{found:?}");
        }
        assert_eq!(obstacles(&events(), &with("sealed", json!(true))).len(), 1);
        assert_eq!(obstacles(&events(), &with("mirror", json!({ "name": "X" }))).len(), 1);
        assert_eq!(obstacles(&events(), &birth(&events())), []);
    }
}
