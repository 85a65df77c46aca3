//! Searching the objects of a git repo as `git cat-file --batch` prints them, however large they are.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::secrets::scan::report::ScanProgress;
use crate::secrets::scan::search::{Hit, Searcher, Stream};

/// No header is longer: an id, a word and a number.
const LONGEST_HEADER: usize = 200;
/// Objects between two reports of progress.
const STEP: u64 = 1000;

/// What an object is, as far as searching it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blob,
    Commit,
    Tag,
    /// A folder: names and ids only.
    Tree,
}

/// An object with values in it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) hits: Vec<Hit>,
    pub(super) more: usize,
}

/// Told how many objects and bytes were searched.
pub(super) type OnProgress = Arc<dyn Fn(&ScanProgress) + Send + Sync>;

/// Takes in what the command prints.
pub(super) struct Objects {
    searcher: Arc<Searcher>,
    state: State,
    header: Vec<u8>,
    pub(super) found: Vec<Found>,
    /// Objects that were searched.
    pub(super) count: u64,
    pub(super) bytes: u64,
    failure: Option<Error>,
    progress: (OnProgress, ScanProgress),
}

enum State {
    Header,
    Body {
        id: String,
        kind: Kind,
        left: u64,
        stream: Option<Stream>,
        message: Option<Message>,
    },
    /// The newline after an object.
    End,
}

/// Where in a commit or tag its message begins: after the first empty line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    LineStart,
    InLine,
}

impl Objects {
    /// `so_far` is what was searched before these.
    pub(super) fn new(searcher: Arc<Searcher>, progress: OnProgress, so_far: ScanProgress) -> Self {
        Objects {
            searcher,
            state: State::Header,
            header: Vec::new(),
            found: Vec::new(),
            count: 0,
            bytes: 0,
            failure: None,
            progress: (progress, so_far),
        }
    }

    pub(super) fn push(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() && self.failure.is_none() {
            piece = match &mut self.state {
                State::Header => self.header(piece),
                State::Body { .. } => self.body(piece),
                State::End => {
                    if piece[0] != b'\n' {
                        self.failure = Some(broken());
                    }
                    self.state = State::Header;
                    &piece[1..]
                }
            };
        }
    }

    /// What was found.
    pub(super) fn finish(self) -> Result<Self> {
        match (&self.failure, &self.state) {
            (None, State::Header) if self.header.is_empty() => Ok(self),
            (None, _) => Err(broken()),
            (Some(_), _) => Err(self.failure.unwrap_or_else(broken)),
        }
    }

    fn header<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let Some(end) = piece.iter().position(|byte| *byte == b'\n') else {
            self.header.extend_from_slice(piece);
            if self.header.len() > LONGEST_HEADER {
                self.failure = Some(broken());
            }
            return &[];
        };
        self.header.extend_from_slice(&piece[..end]);
        let header = String::from_utf8_lossy(&std::mem::take(&mut self.header)).into_owned();
        match parsed(&header) {
            Ok((id, kind, left)) => {
                let stream = (kind != Kind::Tree).then(|| self.searcher.stream());
                let message = matches!(kind, Kind::Commit | Kind::Tag).then_some(Message::InLine);
                self.state = State::Body { id, kind, left, stream, message };
                if left == 0 {
                    self.end();
                }
            }
            Err(error) => self.failure = Some(error),
        }
        &piece[end + 1..]
    }

    fn body<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let State::Body { left, stream, message, .. } = &mut self.state else { return piece };
        let now = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
        let (text, rest) = piece.split_at(now);
        *left -= now as u64;
        if let Some(stream) = stream {
            stream.push(skip_to_message(message, text));
            self.bytes += now as u64;
        }
        if *left == 0 {
            self.end();
        }
        rest
    }

    fn end(&mut self) {
        let State::Body { id, kind, stream, .. } = std::mem::replace(&mut self.state, State::End) else {
            return;
        };
        let Some(stream) = stream else { return };
        self.count += 1;
        let (hits, more) = stream.finish();
        if !hits.is_empty() {
            self.found.push(Found { id, kind, hits, more });
        }
        if self.count.is_multiple_of(STEP) {
            let (tell, so_far) = &self.progress;
            tell(&ScanProgress { objects: self.count, bytes: so_far.bytes + self.bytes, ..*so_far });
        }
    }
}

/// What of `text` belongs to the message.
fn skip_to_message<'a>(message: &mut Option<Message>, text: &'a [u8]) -> &'a [u8] {
    let Some(state) = message else { return text };
    for (at, byte) in text.iter().enumerate() {
        match (*byte, *state) {
            (b'\n', Message::LineStart) => {
                *message = None;
                return &text[at + 1..];
            }
            (b'\n', Message::InLine) => *state = Message::LineStart,
            _ => *state = Message::InLine,
        }
    }
    &[]
}

/// `ID TYPE SIZE`.
fn parsed(header: &str) -> Result<(String, Kind, u64)> {
    let mut words = header.split(' ');
    let (Some(id), Some(kind), size) = (words.next(), words.next(), words.next()) else {
        return Err(broken());
    };
    let kind = match kind {
        "blob" => Kind::Blob,
        "commit" => Kind::Commit,
        "tag" => Kind::Tag,
        "tree" => Kind::Tree,
        "missing" => {
            return Err(Error::not_found("an object is missing in this git repo")
                .with("object", id)
                .hint("see what `git fsck` says, and fetch the repo afresh if it is damaged"));
        }
        _ => return Err(broken()),
    };
    match size.and_then(|size| size.parse().ok()) {
        Some(size) => Ok((id.to_owned(), kind, size)),
        None => Err(broken()),
    }
}

fn broken() -> Error {
    Error::new(
        crate::error::ErrorKind::Failed,
        "git printed objects in a form that is not known, or not all of them",
    )
    .hint("see what `git fsck` says, and update git if it finds nothing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;
    use crate::secrets::scan::needles::Needles;

    fn read(printed: &[u8], size: usize) -> Result<Objects> {
        let values = [("A".parse().unwrap(), SecretValue::new("s3cret-value"))].into();
        let searcher = Arc::new(Searcher::new(Needles::of(&values)).unwrap());
        let mut objects = Objects::new(searcher, Arc::new(|_| {}), ScanProgress::default());
        printed.chunks(size).for_each(|piece| objects.push(piece));
        objects.finish()
    }

    #[test]
    fn objects_are_told_apart_whatever_is_in_them() {
        let commit = "author s3cret-value\ngpgsig x\n \n y\n\nline\n s3cret-value\n";
        let blob = "x s3cret-value\nffff blob 3\n";
        let printed = format!(
            "aa blob {}\n{blob}\nbb tree 12\ns3cret-value\ncc blob 0\n\ndd commit {}\n{commit}\n",
            blob.len(),
            commit.len()
        );
        for size in [1, 2, 7, 1000] {
            let objects = read(printed.as_bytes(), size).unwrap();
            assert_eq!(objects.count, 3);
            let found: Vec<_> =
                objects.found.iter().map(|f| (f.id.as_str(), f.kind, f.hits[0].line)).collect();
            assert_eq!(found, [("aa", Kind::Blob, 1), ("dd", Kind::Commit, 2)]);
        }
    }

    #[test]
    fn what_is_cut_missing_or_not_known_is_an_error() {
        for bad in [
            "aa blob 5\nxx",
            "aa blob 1\nxy",
            "aa blob",
            "aa\n",
            "aa what 1\nx\n",
            "aa blob x\n",
            &"a".repeat(999),
        ] {
            assert!(read(bad.as_bytes(), 3).is_err(), "{bad:?}");
        }
        assert!(read(b"aa missing\n", 9).map(drop).unwrap_err().to_string().contains("object: aa"));
        assert_eq!(read(b"", 1).unwrap().count, 0);
    }
}
