//! A future whose panic is a value, so that what it lent out is kept.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Wraps a future; a panic becomes its message.
pub(super) struct Unwinding<F> {
    inner: Pin<Box<F>>,
}

impl<F: Future> Unwinding<F> {
    pub(super) fn new(inner: F) -> Self {
        Self { inner: Box::pin(inner) }
    }
}

impl<F: Future> Future for Unwinding<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is dropped and never polled again; what it borrowed is plain data.
        match catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(message(payload.as_ref()))),
        }
    }
}

/// The text of a panic.
pub(super) fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_value() {
        let mut kept = vec![1];
        let end = Unwinding::new(async {
            kept.push(2);
            assert_eq!(kept.len(), 3, "told");
        })
        .await;
        assert!(end.is_err_and(|text| text.contains("told")));
        assert_eq!(kept, [1, 2]);
    }
}
