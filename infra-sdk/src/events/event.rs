//! One event, in the structured JSON form of CloudEvents 1.0.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::events::Source;
use crate::time::Timestamp;

/// Something that happened, as a [CloudEvent](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).
///
/// Data never holds secrets: events are kept for weeks and read by many.
/// Attributes this version does not know are kept when an event is passed on.
///
/// ```
/// use infra_sdk::events::{Event, Source, vocabulary};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// struct Deployed { version: String }
///
/// let source: Source = "/acme/shop-api".parse()?;
/// let event = Event::new(source, vocabulary::DEPLOY_DONE, "staging", Deployed { version: "1.4.0".into() })?;
/// let text = serde_json::to_string(&event).unwrap();
/// let read: Event = serde_json::from_str(&text).unwrap();
/// assert_eq!(read.typed::<Deployed>()?.data.version, "1.4.0");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event<T = Value> {
    specversion: SpecVersion,
    /// Unique among the events of its source; a bus keeps one event an id.
    pub id: String,
    /// The repository that tells it.
    pub source: Source,
    /// What happened, from [`vocabulary`](crate::events::vocabulary) or a word of the repository's own.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened; ours always say it, and CloudEvents leaves it to the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// What it happened to; for our own events the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The form of the data: always JSON for our own events.
    pub datacontenttype: String,
    /// What else there is to know.
    pub data: T,
    /// Attributes beyond those above.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

impl<T> Event<T> {
    /// An event that happens now, with an id of its own.
    ///
    /// # Errors
    /// `Unavailable` when the system gives no randomness for the id.
    pub fn new(source: Source, kind: &str, subject: impl Into<String>, data: T) -> Result<Self> {
        Ok(Event {
            specversion: SpecVersion::V1,
            id: crate::id::unique()?,
            source,
            kind: kind.to_owned(),
            time: Some(Timestamp::now()),
            subject: Some(subject.into()),
            datacontenttype: "application/json".into(),
            data,
            extensions: BTreeMap::new(),
        })
    }

    fn with_data<U>(self, data: U) -> Event<U> {
        Event {
            specversion: self.specversion,
            id: self.id,
            source: self.source,
            kind: self.kind,
            time: self.time,
            subject: self.subject,
            datacontenttype: self.datacontenttype,
            data,
            extensions: self.extensions,
        }
    }
}

impl<T: Serialize> Event<T> {
    /// The same event with its data as plain JSON, as a bus takes it.
    ///
    /// # Errors
    /// `Bug` when the data does not fit into JSON, such as a map whose keys are not text.
    pub fn untyped(self) -> Result<Event> {
        let data = serde_json::to_value(&self.data).map_err(|error| {
            Error::new(ErrorKind::Bug, "write the data of an event")
                .with("type", &self.kind)
                .because(error)
                .hint("use data that JSON can hold: maps need text as keys")
        })?;
        Ok(self.with_data(data))
    }
}

impl Event {
    /// The same event with its data read into a type of the caller's.
    ///
    /// # Errors
    /// `Invalid` when the data has another shape; the event's id and type stand in the message.
    pub fn typed<T: DeserializeOwned>(mut self) -> Result<Event<T>> {
        let data = serde_json::from_value(self.data.take()).map_err(|error| {
            Error::invalid("the data of an event has another shape than expected")
                .with("type", &self.kind)
                .with("id", &self.id)
                .because(error)
                .hint("compare with what its source publishes, or pin both repos to matching versions")
        })?;
        Ok(self.with_data(data))
    }
}

/// The version of the CloudEvents form; there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SpecVersion {
    #[serde(rename = "1.0")]
    V1,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What other programs publish may lack what CloudEvents leaves optional.
        #[derive(Deserialize)]
        struct Wire {
            specversion: SpecVersion,
            id: String,
            source: Source,
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            time: Option<Timestamp>,
            #[serde(default)]
            subject: Option<String>,
            #[serde(default = "json")]
            datacontenttype: String,
            #[serde(default)]
            data: Value,
            #[serde(flatten)]
            extensions: BTreeMap<String, Value>,
        }
        fn json() -> String {
            "application/json".into()
        }
        let wire = Wire::deserialize(deserializer)?;
        if wire.id.is_empty() || wire.kind.is_empty() {
            return Err(serde::de::Error::custom("an event needs an `id` and a `type`"));
        }
        Ok(Event {
            specversion: wire.specversion,
            id: wire.id,
            source: wire.source,
            kind: wire.kind,
            time: wire.time,
            subject: wire.subject,
            datacontenttype: wire.datacontenttype,
            data: wire.data,
            extensions: wire.extensions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_is_a_cloudevent_of_version_1() {
        let event = Event::new("/acme/shop".parse().unwrap(), "deploy.done", "staging", 7).unwrap();
        let value = serde_json::to_value(&event).unwrap();
        assert_eq!(value["specversion"], "1.0");
        assert_eq!(value["source"], "/acme/shop");
        assert_eq!(value["type"], "deploy.done");
        assert_eq!(value["subject"], "staging");
        assert_eq!(value["datacontenttype"], "application/json");
        assert_eq!(value["data"], 7);
    }

    #[test]
    fn unknown_attributes_are_kept_and_optional_ones_may_be_missing() {
        let text = r#"{"specversion":"1.0","id":"1","source":"/acme/shop","type":"x","traceparent":"00-1"}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!((event.data.clone(), event.subject.clone(), event.time), (Value::Null, None, None));
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!((&written["traceparent"], written.get("time")), (&"00-1".into(), None));
    }

    #[test]
    fn another_version_or_an_empty_id_is_refused() {
        for (version, id) in [("0.3", "1"), ("1.0", "")] {
            let text = format!(
                r#"{{"specversion":"{version}","id":"{id}","source":"/acme/shop","type":"x","time":"2026-01-01T00:00:00Z"}}"#
            );
            assert!(serde_json::from_str::<Event>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn data_of_another_shape_names_the_event() {
        let event = Event::new("/acme/shop".parse().unwrap(), "deploy.done", "staging", "text").unwrap();
        let error = event.untyped().unwrap().typed::<u32>().unwrap_err();
        assert!(error.to_string().contains("deploy.done"), "{error}");
    }
}
