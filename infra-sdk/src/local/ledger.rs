//! The ledger as one file of JSON lines, an entry a line.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::file::Access;
use crate::ledger::{Entry, Ledger, Record};
use crate::lines::{self, LineFile};
use crate::time::Timestamp;

/// A ledger that is one file; entry `n` is its line `n`.
#[derive(Clone, Debug)]
pub struct LocalLedger {
    path: PathBuf,
}

impl LocalLedger {
    /// The ledger kept in the file `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        LocalLedger { path: path.into() }
    }

    fn damaged(&self, place: String, error: serde_json::Error) -> Error {
        Error::invalid("a ledger entry cannot be read: it was edited or damaged")
            .with("place", place)
            .because(error)
            .hint("restore that line from a backup; until then the ledger proves nothing after it")
    }
}

#[async_trait]
impl Ledger for LocalLedger {
    async fn append(&self, record: Record) -> Result<Entry> {
        // The lock is held from reading the last entry to writing the next: two processes never follow the same one.
        let mut file = LineFile::lock(&self.path, Access::Private)?;
        let last: Option<Entry> = match file.last()? {
            None => None,
            Some(line) => Some(
                serde_json::from_slice(&line)
                    .map_err(|error| self.damaged(format!("{}, last line", self.path.display()), error))?,
            ),
        };
        let entry = record.follow(last.as_ref(), Timestamp::now());
        let line = serde_json::to_string(&entry)
            .map_err(|error| Error::new(ErrorKind::Bug, "write a ledger entry").because(error))?;
        file.append(&line)?;
        Ok(entry)
    }

    async fn read(&self, skip: u64, limit: usize) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut number = 0;
        for line in lines::read(&self.path, 0)? {
            if entries.len() == limit {
                break;
            }
            let line = line?;
            number += 1;
            if number <= skip {
                continue;
            }
            match serde_json::from_slice(&line.bytes) {
                Ok(entry) => entries.push(entry),
                // What stands before the damage is judged first; the next read starts at it.
                Err(_) if !entries.is_empty() => break,
                Err(error) => return Err(self.damaged(self.place(number), error)),
            }
        }
        Ok(entries)
    }

    fn place(&self, nth: u64) -> String {
        format!("{}:{nth}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::ledger::{Outcome, verify};

    fn scratch() -> LocalLedger {
        let name = format!("infra-sdk-ledger-{}.jsonl", crate::id::short().unwrap());
        LocalLedger::new(std::env::temp_dir().join(name))
    }

    fn record(subject: &str) -> Record {
        let (env, project) = ("local".parse().unwrap(), "shop".parse().unwrap());
        Record::new("ada", env, project, "deploy", subject, Outcome::Done)
    }

    async fn three() -> LocalLedger {
        let ledger = scratch();
        for subject in ["one", "two", "three"] {
            ledger.append(record(subject)).await.unwrap();
        }
        ledger
    }

    #[tokio::test]
    async fn a_line_edited_by_hand_is_named_with_its_number() {
        let ledger = three().await;
        let text = fs::read_to_string(&ledger.path).unwrap();
        for (edited, line) in [
            (text.replace("\"two\"", "\"too\""), 2),
            (text.replace("\"two\",", "\"two\""), 2),
            (text.replace("\"one\"", "\"eno\"").replace("\"three\",", "oops"), 1),
            (text.lines().skip(1).map(|line| format!("{line}\n")).collect(), 1),
            (text.replace("\"seq\":3", "\"note\":\"\",\"seq\":3"), 3),
        ] {
            assert_ne!(edited, text);
            fs::write(&ledger.path, &edited).unwrap();
            let error = verify(&ledger, None).await.unwrap_err().to_string();
            assert!(error.contains(&format!("jsonl:{line}")), "{error}");
        }
        fs::remove_file(&ledger.path).unwrap();
    }

    #[tokio::test]
    async fn a_line_torn_by_a_crash_is_repaired_by_the_next_append() {
        let ledger = three().await;
        let mut file = fs::OpenOptions::new().append(true).open(&ledger.path).unwrap();
        file.write_all(b"{\"seq\":4,\"ti").unwrap();
        assert_eq!(verify(&ledger, None).await.unwrap().entries, 3);
        assert_eq!(ledger.append(record("four")).await.unwrap().seq, 4);
        assert_eq!(verify(&ledger, None).await.unwrap().entries, 4);
        fs::remove_file(&ledger.path).unwrap();
    }

    #[test]
    fn appends_at_once_keep_one_chain() {
        let path = scratch().path;
        let run = |future: std::pin::Pin<Box<dyn Future<Output = Result<()>>>>| {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
        };
        // Each thread opens the file for itself, so the lock stands between them as between processes.
        std::thread::scope(|threads| {
            for _ in 0..6 {
                let ledger = LocalLedger::new(&path);
                threads.spawn(move || {
                    run(Box::pin(async move {
                        for subject in ["a", "b", "c", "d", "e"] {
                            ledger.append(record(subject)).await?;
                        }
                        Ok(())
                    }))
                    .unwrap();
                });
            }
        });
        let ledger = LocalLedger::new(&path);
        run(Box::pin(async move {
            assert_eq!(verify(&ledger, None).await?.entries, 30);
            Ok(())
        }))
        .unwrap();
        fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn nothing_follows_an_entry_that_cannot_be_read() {
        let ledger = three().await;
        let text = fs::read_to_string(&ledger.path).unwrap();
        fs::write(&ledger.path, format!("{text}nonsense\n")).unwrap();
        let error = ledger.append(record("five")).await.unwrap_err();
        assert!(error.to_string().contains("last line") && !error.hints().is_empty(), "{error}");
        fs::remove_file(&ledger.path).unwrap();
    }
}
