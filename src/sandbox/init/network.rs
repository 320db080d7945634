//! Networks of sandboxes: a loopback and nothing else.
//!
//! Where the nursery is root it makes them, and the next one while nobody waits: that takes longer than all mounts of a
//! sandbox. Such a network belongs to the host's user namespace, so that nobody inside has any power over it.
#![expect(unsafe_code, reason = "an ioctl, and namespaces of the one thread")]

use super::reap::check;
use super::{During, Failure};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

/// The network of this thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// The network of the next sandbox.
#[derive(Default)]
pub(in crate::sandbox) struct Next {
    network: Option<File>,
    /// Whether sandboxes of this run want one at all.
    wanted: bool,
}

impl Next {
    /// Makes it, where the last one was used.
    pub(in crate::sandbox) fn refresh(&mut self) {
        if self.wanted && self.network.is_none() {
            self.network = make().ok();
        }
    }

    /// Does something in it; afterwards it is nobody's next.
    pub(super) fn within<T>(&mut self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.wanted = true;
        let network = match self.network.take() {
            Some(network) => network,
            None => make()?,
        };
        visit(Some(&network), work)
    }
}

fn make() -> Result<File, Failure> {
    visit(None, || {
        loopback().during("bring up the loopback")?;
        // Where this can't be set, listening on a port of the web says so.
        let _ = low_ports(Path::new("/proc"));
        File::open(OWN).during("open a network")
    })
}

/// Does something in a network, a new one if none is named, and comes back.
fn visit<T>(network: Option<&File>, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let own = File::open(OWN).during("open the host's network")?;
    // SAFETY: plain numbers; the process has one thread, and the descriptor is open.
    let moved = unsafe {
        match network {
            Some(network) => libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET),
            None => libc::unshare(libc::CLONE_NEWNET),
        }
    };
    check(moved).during("make a network")?;
    let mother = std::process::id();
    let done = work();
    // A child that was forked inside stays there.
    if std::process::id() == mother {
        // SAFETY: as above.
        let back = check(unsafe { libc::setns(own.as_raw_fd(), libc::CLONE_NEWNET) });
        back.during("come back to the host's network")?;
    }
    done
}

/// Names want the ports of the web, which only root may open; in a network of its own nobody else could have them.
pub(super) fn low_ports(proc: &Path) -> io::Result<()> {
    fs::write(proc.join("sys/net/ipv4/ip_unprivileged_port_start"), "0")
}

/// Brings up the loopback of the network that this thread is in.
pub(super) fn loopback() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: `request` is a local that both calls fill and read; the socket is open.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)).map(drop)
    }
}
