//! A blob on its way out: read piece by piece on a thread that may block, sent as the connection takes it.

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// One piece.
const PIECE: usize = 64 << 10;
/// How many pieces are read ahead.
const AHEAD: usize = 4;

/// A body of a known length.
pub(super) struct BlobBody {
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    left: u64,
    moved: Arc<AtomicU64>,
}

impl BlobBody {
    /// Sends `length` bytes of `from`, counting them in `moved` as the connection takes them.
    pub(super) fn new(from: Box<dyn Read + Send>, length: u64, moved: Arc<AtomicU64>) -> Self {
        let (sender, pieces) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut from = from.take(length);
            loop {
                let mut piece = vec![0; PIECE];
                let read = match from.read(&mut piece) {
                    Ok(0) => return,
                    Ok(count) => {
                        piece.truncate(count);
                        Ok(Bytes::from(piece))
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let last = read.is_err();
                // Nobody takes it any more: the request has ended.
                if sender.blocking_send(read).is_err() || last {
                    return;
                }
            }
        });
        BlobBody { pieces, left: length, moved }
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let piece = match self.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(piece)) => piece,
            Poll::Ready(None) if self.left == 0 => return Poll::Ready(None),
            Poll::Ready(None) => Err(std::io::Error::other("the file became shorter while it was sent")),
        };
        Poll::Ready(Some(piece.map(|piece| {
            self.left = self.left.saturating_sub(piece.len() as u64);
            self.moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Frame::data(piece)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
