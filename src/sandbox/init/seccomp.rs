//! The system-call filter: what [`super::calls`] lists is allowed, some of it by its arguments; all else is not there.
//!
//! Built by hand as classic BPF: a search tree over ranges of numbers, as the kernel walks it once for every number
//! when the filter is laid, and where it has no bitmap of what is always allowed, at each call.
#![expect(unsafe_code, reason = "the filter is given to the kernel as a pointer")]

use super::calls::{ALLOWED, OLDER, REFUSED};
use super::reap::check;
use std::collections::BTreeMap;
use std::io;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Socket families that stay: local, which comes first, IPv4, IPv6, netlink.
const FAMILIES: [u32; 4] =
    [libc::AF_UNIX as u32, libc::AF_INET as u32, libc::AF_INET6 as u32, libc::AF_NETLINK as u32];

/// Any flag of clone that makes a namespace.
const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;
/// A namespace of clocks, for unshare alone: to clone the bit is part of a signal's number.
const CLOCKS: u32 = 0x80;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ABOVE_OR_EQUAL: u16 = 0x35;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

/// Offset of the low half of an argument (both architectures are little-endian).
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

fn op(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// What becomes of a call.
#[derive(Debug, Clone)]
enum Fate {
    /// The same end whatever the arguments.
    End(u32),
    /// A piece of program that looks at the arguments and always returns.
    Look(Vec<libc::sock_filter>),
}

/// Calls that are judged by their arguments.
fn looked_at(alone: bool) -> Vec<(libc::c_long, Fate)> {
    let without = |bits: u32| {
        Fate::Look(vec![
            op(LOAD, argument(0), 0, 0),
            op(JUMP_ANY_BIT, bits, 0, 1),
            op(RETURN, errno(libc::EPERM), 0, 0),
            op(RETURN, ALLOW, 0, 0),
        ])
    };
    // Typing into a terminal from a program on it.
    let terminal = vec![
        op(LOAD, argument(1), 0, 0),
        op(JUMP_EQUAL, libc::TIOCSTI as u32, 1, 0),
        op(JUMP_EQUAL, libc::TIOCLINUX as u32, 0, 1),
        op(RETURN, errno(libc::EPERM), 0, 0),
        op(RETURN, ALLOW, 0, 0),
    ];
    let mut calls = vec![
        (libc::SYS_clone, without(NAMESPACES)),
        (libc::SYS_unshare, without(NAMESPACES | CLOCKS)),
        // No layer but a root of its own keeps a program from the sockets that daemons of the host have in the file
        // system, and older kernels keep none from those with abstract names. A pair has no name.
        (libc::SYS_socket, Fate::Look(families(if alone { &FAMILIES } else { &FAMILIES[1..] }))),
        (libc::SYS_socketpair, Fate::Look(families(&FAMILIES))),
        (libc::SYS_ioctl, Fate::Look(terminal)),
        // Another personality is another set of rules for memory; asking for it is fine.
        (libc::SYS_personality, only(0, &[0, u32::MAX])),
    ];
    // Where processes of the host are seen, only one's own limits can be changed.
    let limits = if alone { Fate::End(ALLOW) } else { only(0, &[0]) };
    calls.push((libc::SYS_prlimit64, limits));
    calls
}

/// Allowed if the low half of an argument is one of a few values.
fn only(index: u32, values: &[u32]) -> Fate {
    let mut out = vec![op(LOAD, argument(index), 0, 0)];
    for (left, value) in values.iter().enumerate().map(|(at, value)| (values.len() - at, value)) {
        out.push(op(JUMP_EQUAL, *value, left as u8, 0));
    }
    out.extend([op(RETURN, errno(libc::EPERM), 0, 0), op(RETURN, ALLOW, 0, 0)]);
    Fate::Look(out)
}

/// Some families, of netlink only what tells of interfaces and routes.
fn families(some: &[u32]) -> Vec<libc::sock_filter> {
    let mut out = vec![op(LOAD, argument(0), 0, 0)];
    for (index, family) in some.iter().enumerate() {
        out.push(op(JUMP_EQUAL, *family, (some.len() - index) as u8, 0));
    }
    out.extend([
        op(RETURN, errno(libc::EAFNOSUPPORT), 0, 0),
        op(JUMP_EQUAL, libc::AF_NETLINK as u32, 1, 0),
        op(RETURN, ALLOW, 0, 0),
        op(LOAD, argument(2), 0, 0),
        op(JUMP_EQUAL, libc::NETLINK_ROUTE as u32, 0, 1),
        op(RETURN, ALLOW, 0, 0),
        op(RETURN, errno(libc::EPROTONOSUPPORT), 0, 0),
    ]);
    out
}

/// The whole program. `alone`: nothing of the host, neither process nor socket, can be named from inside.
fn program(alone: bool) -> Vec<libc::sock_filter> {
    let mut out = vec![
        op(LOAD, 4, 0, 0),
        op(JUMP_EQUAL, ARCHITECTURE, 1, 0),
        // Another architecture's numbers mean other calls.
        op(RETURN, KILL, 0, 0),
        op(LOAD, 0, 0, 0),
    ];
    let absent = Fate::End(errno(libc::ENOSYS));
    let mut fates: BTreeMap<u32, Fate> = BTreeMap::new();
    for (calls, answer) in [(ALLOWED, ALLOW), (OLDER, ALLOW), (REFUSED, errno(libc::EPERM))] {
        fates.extend(calls.iter().map(|call| (*call as u32, Fate::End(answer))));
    }
    fates.extend(looked_at(alone).into_iter().map(|(call, fate)| (call as u32, fate)));
    // Ranges by their first number; x32 hides the same calls behind a bit, above all of them.
    let mut ranges: Vec<(u32, Fate)> = Vec::new();
    let mut begin = |first: u32, fate: Fate| {
        let same = |last: &Fate| matches!((last, &fate), (Fate::End(last), Fate::End(fate)) if last == fate);
        if !ranges.last().is_some_and(|(_, last)| same(last)) {
            ranges.push((first, fate));
        }
    };
    let mut next = 0;
    for (call, fate) in fates {
        if call > next {
            begin(next, absent.clone());
        }
        begin(call, fate);
        next = call + 1;
    }
    begin(next, absent);
    tree(&ranges, &mut out);
    out
}

/// Finds the range of the loaded number by halves. A jump takes at most 255 steps, so the far half has one of its own.
fn tree(ranges: &[(u32, Fate)], out: &mut Vec<libc::sock_filter>) {
    match ranges {
        [] => {}
        [(_, Fate::End(answer))] => out.push(op(RETURN, *answer, 0, 0)),
        [(_, Fate::Look(piece))] => out.extend_from_slice(piece),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let mut near = Vec::new();
            tree(low, &mut near);
            out.push(op(JUMP_ABOVE_OR_EQUAL, high[0].0, 0, 1));
            out.push(op(JUMP, near.len() as u32, 0, 0));
            out.append(&mut near);
            tree(high, out);
        }
    }
}

/// Lays the filter over this process and all that it starts. `no_new_privs` must be set.
/// `alone` as in a root of its own.
pub(super) fn apply(alone: bool) -> io::Result<()> {
    let mut filter = program(alone);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: `program` and the vector behind it live until the kernel has copied them.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would, over one call.
    fn judge(alone: bool, architecture: u32, call: u32, arguments: [u32; 3]) -> u32 {
        let (program, mut at, mut value) = (program(alone), 0, 0);
        loop {
            let op = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { op.jt } else { op.jf });
            match op.code {
                LOAD => {
                    value = match op.k {
                        0 => call,
                        4 => architecture,
                        place => arguments[(place as usize - 16) / 8],
                    }
                }
                JUMP => at += op.k as usize,
                JUMP_EQUAL => at += jump(value == op.k),
                JUMP_ABOVE_OR_EQUAL => at += jump(value >= op.k),
                JUMP_ANY_BIT => at += jump(value & op.k != 0),
                _ => return op.k,
            }
        }
    }

    fn ours(call: libc::c_long, arguments: [u32; 3]) -> u32 {
        judge(true, ARCHITECTURE, call as u32, arguments)
    }

    #[test]
    fn every_number_is_judged_as_listed() {
        let special: Vec<u32> = looked_at(true).iter().map(|(call, _)| *call as u32).collect();
        let listed = |calls: &[libc::c_long], call: u32| calls.contains(&libc::c_long::from(call));
        for call in (0..1200).chain([0x3fff_ffff, 0x4000_0000, 0x4000_0027, u32::MAX]) {
            let wanted = match call {
                _ if special.contains(&call) => continue,
                _ if listed(ALLOWED, call) || listed(OLDER, call) => ALLOW,
                _ if listed(REFUSED, call) => errno(libc::EPERM),
                _ => errno(libc::ENOSYS),
            };
            assert_eq!(judge(true, ARCHITECTURE, call, [0; 3]), wanted, "call {call}");
        }
        for call in REFUSED {
            assert!(!ALLOWED.contains(call) && !OLDER.contains(call), "call {call} is in two lists");
        }
        assert_eq!(judge(true, 0x4000_0003, 0, [0; 3]), KILL);
        let steps = program(false).len();
        assert!(steps < 1000, "{steps} steps: the kernel walks them for every number");
    }

    #[test]
    fn arguments_are_looked_at() {
        let (no, gone) = (errno(libc::EPERM), errno(libc::EAFNOSUPPORT));
        assert_eq!(ours(libc::SYS_io_uring_setup, [0; 3]), errno(libc::ENOSYS));
        assert_eq!(
            ours(libc::SYS_clone3, [0; 3]),
            errno(libc::ENOSYS),
            "its flags lie where no filter looks"
        );
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            for (family, protocol, wanted) in [
                (libc::AF_UNIX, 0, ALLOW),
                (libc::AF_INET, 6, ALLOW),
                (libc::AF_INET6, 17, ALLOW),
                (libc::AF_NETLINK, libc::NETLINK_ROUTE, ALLOW),
                (libc::AF_NETLINK, libc::NETLINK_NETFILTER, errno(libc::EPROTONOSUPPORT)),
                (libc::AF_VSOCK, 0, gone),
                (libc::AF_ALG, 0, gone),
                (libc::AF_PACKET, 0, gone),
                (0, 0, gone),
            ] {
                assert_eq!(ours(call, [family as u32, 1, protocol as u32]), wanted, "{family} {protocol}");
            }
        }
        let shared =
            |call: libc::c_long| judge(false, ARCHITECTURE, call as u32, [libc::AF_UNIX as u32, 1, 0]);
        assert_eq!([shared(libc::SYS_socket), shared(libc::SYS_socketpair)], [gone, ALLOW]);
        let flags = |call, flags: i32| ours(call, [flags as u32, 0, 0]);
        assert_eq!(flags(libc::SYS_clone, libc::SIGCHLD | libc::CLONE_VM), ALLOW);
        assert_eq!(flags(libc::SYS_unshare, libc::CLONE_FS | libc::CLONE_FILES), ALLOW);
        for flag in [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWNS,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWNET,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWCGROUP,
        ] {
            assert_eq!(flags(libc::SYS_clone, flag | libc::SIGCHLD), no);
            assert_eq!(flags(libc::SYS_unshare, flag), no);
        }
        assert_eq!(flags(libc::SYS_unshare, CLOCKS as i32), no);
        let ioctl = |request: u64| ours(libc::SYS_ioctl, [0, request as u32, 0]);
        assert_eq!(ioctl(libc::TIOCSTI), no);
        assert_eq!(ioctl(libc::TIOCLINUX), no);
        assert_eq!(ioctl(libc::TIOCGWINSZ), ALLOW);
        assert_eq!(flags(libc::SYS_personality, 0), ALLOW);
        assert_eq!(flags(libc::SYS_personality, -1), ALLOW);
        assert_eq!(flags(libc::SYS_personality, 0x0040_0000), no);
        let limits = |alone, pid| judge(alone, ARCHITECTURE, libc::SYS_prlimit64 as u32, [pid, 0, 0]);
        assert_eq!([limits(true, 7), limits(false, 7), limits(false, 0)], [ALLOW, no, ALLOW]);
    }
}
