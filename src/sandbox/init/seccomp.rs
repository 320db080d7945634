//! The system-call filter: a deny list over what no task needs and every escape wants.
//!
//! Built by hand as classic BPF: load, compare, jump to one of three ends.
#![expect(unsafe_code, reason = "the filter is given to the kernel as a pointer")]

use super::reap::check;
use std::io;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Refused as not permitted.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
];

/// Refused as if the kernel did not have them, so that programs fall back to what can be looked into.
const ABSENT: &[libc::c_long] =
    &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register, libc::SYS_clone3];

/// Socket families that stay: local, IPv4, IPv6, netlink.
const FAMILIES: [u32; 4] =
    [libc::AF_UNIX as u32, libc::AF_INET as u32, libc::AF_INET6 as u32, libc::AF_NETLINK as u32];

/// Any flag of clone and unshare that makes a namespace.
const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

const LOAD: u16 = 0x20;
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

/// The whole program.
fn program() -> Vec<libc::sock_filter> {
    let mut out = vec![
        op(LOAD, 4, 0, 0),
        op(JUMP_EQUAL, ARCHITECTURE, 1, 0),
        // Another architecture's numbers mean other calls.
        op(RETURN, KILL, 0, 0),
        op(LOAD, 0, 0, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        // x32 hides the same calls behind a bit.
        out.extend([op(JUMP_ABOVE_OR_EQUAL, 0x4000_0000, 0, 1), op(RETURN, errno(libc::ENOSYS), 0, 0)]);
    }
    for (calls, answer) in [(REFUSED, errno(libc::EPERM)), (ABSENT, errno(libc::ENOSYS))] {
        for call in calls {
            out.extend([op(JUMP_EQUAL, *call as u32, 0, 1), op(RETURN, answer, 0, 0)]);
        }
    }
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        out.extend([
            op(JUMP_EQUAL, call as u32, 0, 4),
            op(LOAD, argument(0), 0, 0),
            op(JUMP_ANY_BIT, NAMESPACES, 0, 1),
            op(RETURN, errno(libc::EPERM), 0, 0),
            op(RETURN, ALLOW, 0, 0),
        ]);
    }
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        out.push(op(JUMP_EQUAL, call as u32, 0, FAMILIES.len() as u8 + 3));
        out.push(op(LOAD, argument(0), 0, 0));
        for (index, family) in FAMILIES.iter().enumerate() {
            out.push(op(JUMP_EQUAL, *family, (FAMILIES.len() - index) as u8, 0));
        }
        out.push(op(RETURN, errno(libc::EAFNOSUPPORT), 0, 0));
        out.push(op(RETURN, ALLOW, 0, 0));
    }
    // Typing into a terminal from a program on it.
    out.extend([
        op(JUMP_EQUAL, libc::SYS_ioctl as u32, 0, 4),
        op(LOAD, argument(1), 0, 0),
        op(JUMP_EQUAL, libc::TIOCSTI as u32, 1, 0),
        op(JUMP_EQUAL, libc::TIOCLINUX as u32, 0, 1),
        op(RETURN, errno(libc::EPERM), 0, 0),
        op(RETURN, ALLOW, 0, 0),
    ]);
    out
}

/// Lays the filter over this process and all that it starts. `no_new_privs` must be set.
pub(super) fn apply() -> io::Result<()> {
    let mut filter = program();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: `program` and the vector behind it live until the kernel has copied them.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would, over one call.
    fn judge(architecture: u32, call: u32, arguments: [u32; 2]) -> u32 {
        let (program, mut at, mut value) = (program(), 0, 0);
        loop {
            let op = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { op.jt } else { op.jf });
            match op.code {
                LOAD => {
                    value = match op.k {
                        0 => call,
                        4 => architecture,
                        16 => arguments[0],
                        _ => arguments[1],
                    }
                }
                JUMP_EQUAL => at += jump(value == op.k),
                JUMP_ABOVE_OR_EQUAL => at += jump(value >= op.k),
                JUMP_ANY_BIT => at += jump(value & op.k != 0),
                _ => return op.k,
            }
        }
    }

    #[test]
    fn calls_are_judged_as_listed() {
        let ours = |call: libc::c_long, first| judge(ARCHITECTURE, call as u32, [first, 0]);
        assert_eq!(judge(0x4000_0003, 0, [0, 0]), KILL);
        assert_eq!(ours(libc::SYS_read, 0), ALLOW);
        assert_eq!(ours(libc::SYS_mount, 0), errno(libc::EPERM));
        assert_eq!(ours(libc::SYS_io_uring_setup, 0), errno(libc::ENOSYS));
        assert_eq!(ours(libc::SYS_socket, 1), ALLOW);
        assert_eq!(ours(libc::SYS_socket, 16), ALLOW);
        assert_eq!(ours(libc::SYS_socket, libc::AF_VSOCK as u32), errno(libc::EAFNOSUPPORT));
        assert_eq!(ours(libc::SYS_clone, libc::SIGCHLD as u32), ALLOW);
        assert_eq!(ours(libc::SYS_unshare, libc::CLONE_NEWUSER as u32), errno(libc::EPERM));
        let ioctl = |request: u64| judge(ARCHITECTURE, libc::SYS_ioctl as u32, [0, request as u32]);
        assert_eq!(ioctl(libc::TIOCSTI), errno(libc::EPERM));
        assert_eq!(ioctl(libc::TIOCLINUX), errno(libc::EPERM));
        assert_eq!(ioctl(libc::TIOCGWINSZ), ALLOW);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(ours(0x4000_0000 + 165, 0), errno(libc::ENOSYS));
        }
    }
}
