//! Events as one file of JSON lines, in the order they were published.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::events::{Cursor, Event, EventBus, Page, Published, Query, Start};
use crate::file::Access;
use crate::lines::{self, Line, LineFile};

/// An event bus that is one file; a cursor is the byte after an event.
#[derive(Clone, Debug)]
pub struct LocalEvents {
    path: PathBuf,
}

impl LocalEvents {
    /// The bus kept in the file `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        LocalEvents { path: path.into() }
    }

    fn parse(&self, line: &Line) -> Result<Event> {
        serde_json::from_slice(&line.bytes).map_err(|error| {
            Error::invalid("an event is damaged")
                .with("path", self.path.display())
                .with("byte", line.end - line.bytes.len() as u64 - 1)
                .because(error)
                .hint("remove that line, or restore the file from a backup")
        })
    }

    /// The byte after the last whole line.
    fn end(&self) -> Result<u64> {
        lines::read(&self.path, 0)?.try_fold(0, |_, line| Ok(line?.end))
    }

    fn has(&self, event: &Event) -> Result<bool> {
        // Parsing only lines that hold the id keeps publishing fast in a long file.
        let id = serde_json::to_string(&event.id)
            .map_err(|error| Error::new(ErrorKind::Bug, "write an event's id").because(error))?;
        for line in lines::read(&self.path, 0)? {
            let line = line?;
            if std::str::from_utf8(&line.bytes).is_ok_and(|text| text.contains(&id)) {
                let known = self.parse(&line)?;
                if known.id == event.id && known.source == event.source {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl EventBus for LocalEvents {
    async fn publish(&self, event: &Event) -> Result<Published> {
        let line = event.to_json()?;
        let mut file = LineFile::lock(&self.path, Access::Private)?;
        if self.has(event)? {
            return Ok(Published::Before);
        }
        file.append(&line)?;
        Ok(Published::Now)
    }

    async fn read(&self, query: &Query) -> Result<Page> {
        let (start, since) = match &query.from {
            Start::Oldest => (0, None),
            Start::Since(time) => (0, Some(*time)),
            Start::Newest => (self.end()?, None),
            Start::After(cursor) => (cursor.as_str().parse().map_err(|_| cursor.unknown())?, None),
        };
        let (mut events, mut next, mut started) = (Vec::new(), start, since.is_none());
        for line in lines::read(&self.path, start)? {
            if started && events.len() == query.limit {
                break;
            }
            let line = line?;
            let event = self.parse(&line)?;
            started = started || since.is_none_or(|since| event.time.is_some_and(|time| time >= since));
            if started && query.limit == 0 {
                break;
            }
            next = line.end;
            if started && query.matches(&event) {
                events.push((Cursor::new(line.end.to_string()), event));
            }
        }
        Ok(Page { events, next: Cursor::new(next.to_string()), foreign: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_damaged_line_is_named_with_its_place() {
        let path = std::env::temp_dir().join(format!("infra-sdk-events-{}", crate::id::short().unwrap()));
        let bus = LocalEvents::new(&path);
        let event = Event::new("/acme/shop".parse().unwrap(), "x", "local", serde_json::Value::Null).unwrap();
        bus.publish(&event).await.unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{not an event\n")).unwrap();
        let error = bus.read(&Query::first(9)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("byte: {length}")), "{error}");
        assert_eq!(bus.read(&Query::first(1)).await.unwrap().events.len(), 1);
        std::fs::remove_file(path).unwrap();
    }
}
