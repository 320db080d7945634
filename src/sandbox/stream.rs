//! A PTY's master as an asynchronous stream.

use rustix::termios::{OptionalActions, Termios};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Watches a descriptor for readiness.
#[expect(unsafe_code, reason = "the runtime takes a descriptor's word for being its owner")]
pub(super) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always gives the same number and closes it only when it is dropped, which the
    // `AsyncFd` does after deregistering; nobody here takes it out.
    unsafe { AsyncFd::register(descriptor) }.map_err(Into::into)
}

/// One side of a terminal; both sides share the descriptor.
#[derive(Debug, Clone)]
pub(super) struct Terminal {
    master: Arc<AsyncFd<OwnedFd>>,
    /// As they were when it came, before any program of an agent.
    modes: Arc<Termios>,
}

impl Terminal {
    pub(super) fn new(master: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        let modes = Arc::new(rustix::termios::tcgetattr(&master)?);
        Ok(Self { master: Arc::new(watch(master)?), modes })
    }

    /// Puts the modes back to what they were.
    pub(super) fn reset(&self) -> io::Result<()> {
        Ok(rustix::termios::tcsetattr(self.master.get_ref(), OptionalActions::Now, &self.modes)?)
    }

    /// Sets the size that programs see; the kernel tells those in front.
    pub(super) fn resize(&self, (columns, rows): (u16, u16)) -> io::Result<()> {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(self.master.get_ref(), size)?)
    }
}

impl AsyncRead for Terminal {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.master.poll_read_ready(cx))?;
            let result = guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), to.initialize_unfilled())?));
            match result {
                Ok(Ok(count)) => {
                    to.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // The last program that held the terminal has ended.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Poll::Ready(Ok(())),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.master.poll_write_ready(cx))?;
            match guard.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result),
                Err(_) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
