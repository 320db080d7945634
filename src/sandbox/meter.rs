//! How much the programs of a sandbox print.
//!
//! Invariant: the reader of a stream never sees more than the limit of the whole sandbox, and the harness keeps
//! nothing of it. After the limit each stream is at its end.

use super::Reader;
use super::channel::Breach;
use crate::model::LimitKind;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// What is left of the limit of one sandbox, in bytes; shared by all its streams.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    left: Arc<AtomicU64>,
    breach: Breach,
}

impl Meter {
    pub(super) fn new(limit: u64, breach: Breach) -> Self {
        Self { left: Arc::new(AtomicU64::new(limit)), breach }
    }

    /// The stream, counted.
    pub(super) fn count(&self, stream: Reader) -> Reader {
        Box::pin(Counted { stream, meter: self.clone() })
    }
}

struct Counted {
    stream: Reader,
    meter: Meter,
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.meter.breach.get() == Some(LimitKind::Output) {
            return Poll::Ready(Ok(()));
        }
        let before = to.filled().len();
        ready!(this.stream.as_mut().poll_read(cx, to))?;
        let count = (to.filled().len() - before) as u64;
        let taken = this
            .meter
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(count)));
        let left = taken.unwrap_or(0);
        if count > left {
            to.set_filled(before + left as usize);
            this.meter.breach.tell(LimitKind::Output);
        }
        Poll::Ready(Ok(()))
    }
}
