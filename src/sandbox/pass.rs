//! Frames and descriptors over a socket: the only place that speaks SCM_RIGHTS.

use super::wire::{Frame, next_frame};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Most descriptors in one frame.
pub(super) const MAX_DESCRIPTORS: usize = 64;

/// Sends bytes from `start` on; the descriptors go with the first byte. Returns how many went out.
pub(super) fn send_some(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    start: usize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if start == 0 && !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let slices = [IoSlice::new(&bytes[start..])];
    loop {
        match sendmsg(socket, &slices, &mut ancillary, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Sends all bytes over a blocking socket.
pub(super) fn send_all(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut start = 0;
    while start < bytes.len() {
        start += send_some(socket, bytes, start, descriptors)?;
    }
    Ok(())
}

/// Bytes and descriptors that came in and were not yet asked for.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Receives once. `false` at the end of the stream.
    pub(super) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0u8; 16384];
        let got = loop {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            match recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result?.bytes,
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.bytes.extend_from_slice(&bytes[..got]);
        Ok(got > 0)
    }

    /// The next whole frame and its descriptors.
    pub(super) fn next(&mut self) -> io::Result<Option<(Frame, Vec<OwnedFd>)>> {
        let Some(frame) = next_frame(&mut self.bytes)? else {
            // One unfinished frame has at most so many; more would only pile up.
            if self.descriptors.len() > MAX_DESCRIPTORS {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors that no frame names"));
            }
            return Ok(None);
        };
        if frame.descriptors > self.descriptors.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame lost its descriptors"));
        }
        let descriptors = self.descriptors.drain(..frame.descriptors).collect();
        Ok(Some((frame, descriptors)))
    }
}
