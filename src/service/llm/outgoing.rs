//! The body of an answer on its way: piece by piece, each as bytes of its own on the wire.

use super::answer::{Answer, Way};
use super::limits::UnderWay;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

pub(super) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// Length that is told beforehand; a stream of events has none.
    length: Option<u64>,
    /// Whether the connection breaks after the last piece.
    breaks: bool,
    pause: Duration,
    /// What is waited for before the next piece.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the writer had a chance to send what it has.
    flushed: bool,
    _under_way: Option<UnderWay>,
}

impl Outgoing {
    /// The body of an answer with a pause between its pieces.
    pub(super) fn new(answer: Answer, pause: Duration, under_way: Option<UnderWay>) -> Self {
        let events = answer.media == super::answer::Media::Events;
        let mut pieces: VecDeque<Bytes> = answer.pieces.into_iter().map(Bytes::from).collect();
        let length = (!events).then(|| pieces.iter().map(Bytes::len).sum::<usize>() as u64);
        let breaks = answer.way == Way::Cut;
        if breaks {
            pieces.truncate(pieces.len().div_ceil(2));
            if let Some(last) = pieces.back_mut() {
                last.truncate(last.len() / 2);
            }
        }
        Self { pieces, length, breaks, pause, timer: None, flushed: true, _under_way: under_way }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(timer) = &mut self.timer {
            std::task::ready!(timer.as_mut().poll(cx));
            self.timer = None;
            self.flushed = true;
        }
        if !self.flushed {
            // Pending once, so that the piece before goes out before this one is asked for.
            if self.pause.is_zero() {
                self.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.timer = Some(Box::pin(tokio::time::sleep(self.pause)));
            return self.poll_frame(cx);
        }
        match self.pieces.pop_front() {
            Some(piece) => {
                self.flushed = false;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None if self.breaks => {
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut as planned"))))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
