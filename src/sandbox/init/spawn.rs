//! Starting programs: pipes or a PTY, an optional status pipe, signals.
#![expect(unsafe_code, reason = "fork, exec and what lies between have no safe wrapper")]

use super::reap::{check, kill};
use super::{Answer, Dec, During, Enc, Failure, Init, Program};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The first descriptor of copies: above every number that a program may ask for, and below a narrow limit of
/// open files, which is often 256.
const HIGH: i32 = 200;

/// The unprivileged second user of a sandbox that has one.
pub(super) const NOBODY: u32 = 65534;

/// What the child needs, ready before the fork.
struct Plan {
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    unprivileged: bool,
    /// As whom the image has its programs run: user, group, other groups.
    user: Option<(u32, u32, Vec<u32>)>,
    /// Descriptor of ours, number in the child.
    descriptors: Vec<(OwnedFd, i32)>,
    terminal: bool,
    /// Open files, 0 for no limit of ours: the init itself needs some.
    open_files: u64,
    /// Whether the program may signal nothing but what it starts itself.
    own_signals: bool,
    /// For hidden tests of the same user as what they judge: what keeps all from changing them.
    sealed: Option<super::Spec>,
}

impl Init {
    pub(super) fn spawn(&mut self, from: &mut Dec<'_>) -> Answer {
        let argv = from.texts()?;
        let extra = from.pairs()?;
        let cwd = from.text()?;
        let kind = from.u8()?;
        let pty = match kind {
            0 => None,
            _ => Some((from.u32()? as u16, from.u32()? as u16)),
        };
        let status = from.u32()? as i32;
        let who = from.u8()?;

        let mut env: BTreeMap<String, String> = self.spec.env.iter().cloned().collect();
        env.extend(extra);
        let cwd = super::files::place(&self.spec, &cwd).path;
        let program = look_up(&argv, env.get("PATH").map_or("", String::as_str), &cwd)?;
        let unprivileged = who == 1 && self.spec.has_users();
        let user = if who == 0 { self.spec.image_user() } else { None };
        let (descriptors, outgoing, terminal) = streams(pty, kind == 2, status)?;
        if let Some((user, group, _)) = &user {
            // Programs open their streams again by name, as `/dev/stderr`.
            for (descriptor, _) in &descriptors {
                let ids = (rustix::fs::Uid::from_raw(*user), rustix::fs::Gid::from_raw(*group));
                let _ = rustix::fs::fchown(descriptor, Some(ids.0), Some(ids.1));
            }
        }
        let plan = Plan {
            program: text(program.as_os_str().as_bytes())?,
            argv: argv.iter().map(|word| text(word.as_bytes())).collect::<Result<_, _>>()?,
            env: env
                .iter()
                .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
                .collect::<Result<_, _>>()?,
            cwd: text(cwd.as_os_str().as_bytes())?,
            unprivileged,
            user,
            descriptors,
            terminal: terminal.is_some(),
            open_files: self.spec.open_files,
            own_signals: self.spec.landlock,
            sealed: (who == 2 && matches!(self.spec.level, 1 | 2) && self.spec.image.is_none())
                .then(|| self.spec.clone()),
        };
        let pid = fork_exec(&plan)?;
        let number = self.next;
        self.next += 1;
        self.programs.insert(number, Program { pid, terminal });
        let mut out = Enc::default();
        out.u32(number);
        Ok((out.0, outgoing))
    }

    pub(super) fn signal(&mut self, from: &mut Dec<'_>) -> Answer {
        let (number, signal, target) = (from.u32()?, from.u32()? as i32, from.u8()?);
        let Some(program) = self.programs.get(&number) else { return Ok((Vec::new(), Vec::new())) };
        let pid = match (target, &program.terminal) {
            (0, _) => program.pid,
            (2, Some(terminal)) => -foreground(terminal).during("the terminal's foreground group")?,
            _ => -program.pid,
        };
        if pid != 0 && pid != -1 {
            kill(pid, signal).during("send a signal")?;
        }
        Ok((Vec::new(), Vec::new()))
    }

    pub(super) fn busy(&mut self, from: &mut Dec<'_>) -> Answer {
        let busy = match self.programs.get(&from.u32()?) {
            Some(Program { pid, terminal: Some(terminal) }) => {
                foreground(terminal).is_ok_and(|group| group != 0 && group != *pid)
            }
            _ => false,
        };
        Ok((vec![u8::from(busy)], Vec::new()))
    }
}

fn foreground(terminal: &OwnedFd) -> io::Result<i32> {
    // SAFETY: the descriptor is open for the length of the call.
    check(unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) })
}

fn text(bytes: &[u8]) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| Failure::new("a NUL byte in an argument, variable or path"))
}

/// Finds the program as a shell would.
fn look_up(argv: &[String], path: &str, cwd: &Path) -> Result<PathBuf, Failure> {
    let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
        return Err(Failure::new("no program was named"));
    };
    if name.contains('/') {
        return Ok(cwd.join(name));
    }
    let runs = |file: &PathBuf| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    let files: Vec<PathBuf> =
        folders.map(|folder| Path::new(folder).join(name)).filter(|file| file.is_file()).collect();
    if let Some(file) = files.iter().find(|file| runs(file)) {
        return Ok(file.clone());
    }
    Err(match files.first() {
        Some(file) => Failure {
            code: libc::EACCES as u32,
            what: format!("{} in the sandbox's PATH is not executable", file.display()),
        },
        None => Failure {
            code: libc::ENOENT as u32,
            what: format!("no program named '{name}' in the sandbox's PATH"),
        },
    })
}

/// Child's descriptors with their numbers, the harness's ends, and the master to keep.
type Streams = (Vec<(OwnedFd, i32)>, Vec<OwnedFd>, Option<OwnedFd>);

fn streams(pty: Option<(u16, u16)>, person: bool, status: i32) -> Result<Streams, Failure> {
    let mut inside = Vec::new();
    let mut outgoing = Vec::new();
    let mut terminal = None;
    if let Some(size) = pty {
        let (master, slave) = open_pty(size, person)?;
        for number in 0..3 {
            inside.push((high(slave.as_fd())?, number));
        }
        terminal = Some(high(master.as_fd())?);
        outgoing.push(master);
    } else {
        for number in 0..3 {
            let (read, write) = pipe()?;
            let (ours, theirs) = if number == 0 { (write, read) } else { (read, write) };
            inside.push((high(theirs.as_fd())?, number));
            outgoing.push(ours);
        }
    }
    if status >= 3 {
        let (read, write) = pipe()?;
        inside.push((high(write.as_fd())?, status));
        outgoing.push(read);
    }
    Ok((inside, outgoing, terminal))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).during("open a pipe")
}

/// A copy above every number that a program may ask for, so that moving one never covers another.
fn high(descriptor: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, HIGH).during("copy a descriptor")
}

/// A PTY without echo and without newline translation, so that what programs write is what is read; for a person,
/// with both.
fn open_pty((columns, rows): (u16, u16), person: bool) -> Result<(OwnedFd, OwnedFd), Failure> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
    use rustix::termios::{
        LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
    };
    let master =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).during("open a PTY")?;
    let _ = grantpt(&master);
    unlockpt(&master).during("unlock the PTY")?;
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .during("open the PTY's other side")?;
    if !person {
        let mut modes = tcgetattr(&slave).during("read the PTY's modes")?;
        modes.local_modes.remove(LocalModes::ECHO);
        modes.output_modes.remove(OutputModes::ONLCR);
        tcsetattr(&slave, OptionalActions::Now, &modes).during("set the PTY's modes")?;
    }
    tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
        .during("set the PTY's size")?;
    Ok((master, slave))
}

fn fork_exec(plan: &Plan) -> Result<i32, Failure> {
    let (report, low) = pipe()?;
    let told = high(low.as_fd())?;
    drop(low);
    let argv: Vec<_> = plan.argv.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
    let env: Vec<_> = plan.env.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
    // SAFETY: this process has one thread, so the child may run any code; it ends in exec or _exit.
    let pid = check(unsafe { libc::fork() }).during("fork")?;
    if pid == 0 {
        let (stage, error) = child(plan, &argv, &env);
        let number = error.raw_os_error().unwrap_or(0);
        let mut bytes = vec![stage];
        bytes.extend_from_slice(&number.to_le_bytes());
        let _ = rustix::io::write(&told, &bytes);
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(127) }
    }
    drop(told);
    let mut bytes = Vec::new();
    std::fs::File::from(report).read_to_end(&mut bytes)?;
    let Some((stage, number)) = bytes.split_first() else { return Ok(pid) };
    // SAFETY: our own child, which has ended or is about to.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    let number = number.try_into().map_or(0, i32::from_le_bytes);
    let what = match stage {
        b'c' => format!("enter {}", plan.cwd.to_string_lossy()),
        b'x' => format!("run {}", plan.program.to_string_lossy()),
        _ => "prepare a program".to_owned(),
    };
    Err(Failure::io(&what, &io::Error::from_raw_os_error(number)))
}

/// The child between fork and exec. Returns only when something failed: at which stage, and how.
fn child(plan: &Plan, argv: &[*const i8], env: &[*const i8]) -> (u8, io::Error) {
    // SAFETY: single-threaded child; all pointers are into `plan`, `argv` and `env`, which outlive exec.
    unsafe {
        libc::setsid();
        for (descriptor, number) in &plan.descriptors {
            if libc::dup2(descriptor.as_raw_fd(), *number) == -1 {
                return (b'p', io::Error::last_os_error());
            }
        }
        if plan.terminal && libc::ioctl(0, libc::TIOCSCTTY, 0) == -1 {
            return (b'p', io::Error::last_os_error());
        }
        // Rust ignores SIGPIPE and the init blocks SIGCHLD; a program must find neither.
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        if plan.unprivileged
            && (libc::setgroups(0, std::ptr::null()) == -1
                || libc::setresgid(NOBODY, NOBODY, NOBODY) == -1
                || libc::setresuid(NOBODY, NOBODY, NOBODY) == -1)
        {
            return (b'u', io::Error::last_os_error());
        }
        if let Some((user, group, groups)) = &plan.user
            && (libc::setgroups(groups.len(), groups.as_ptr()) == -1
                || libc::setresgid(*group, *group, *group) == -1
                || libc::setresuid(*user, *user, *user) == -1)
        {
            return (b'u', io::Error::last_os_error());
        }
        if libc::chdir(plan.cwd.as_ptr()) == -1 {
            return (b'c', io::Error::last_os_error());
        }
        if plan.open_files > 0
            && let Err(error) = super::confine::limit(libc::RLIMIT_NOFILE, plan.open_files)
        {
            return (b'f', error);
        }
        if plan.own_signals
            && let Err(error) = super::confine::own_signals()
        {
            return (b'l', error);
        }
        if let Some(spec) = &plan.sealed
            && let Err(error) = super::confine::seal_tests(spec)
        {
            return (b'l', error);
        }
        libc::execve(plan.program.as_ptr(), argv.as_ptr(), env.as_ptr());
        (b'x', io::Error::last_os_error())
    }
}

/// Puts `/dev/null` on 0, 1 and 2, so that nothing of the harness stays open there.
pub(super) fn detach_standard_streams() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    for number in 0..3 {
        // SAFETY: standard descriptors are not owned by any value here.
        check(unsafe { libc::dup2(null.as_raw_fd(), number) })?;
    }
    Ok(())
}

/// Forks; `None` in the child.
pub(super) fn fork() -> Result<Option<i32>, Failure> {
    // SAFETY: the process has one thread.
    let pid = check(unsafe { libc::fork() }).during("fork an init")?;
    Ok((pid != 0).then_some(pid))
}

/// Closes everything above the standard streams but a few descriptors.
pub(super) fn close_others(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep.iter().map(|descriptor| descriptor.as_raw_fd() as u32).collect();
    keep.sort_unstable();
    let close = |first: u32, last: u32| {
        if first > last {
            return Ok(());
        }
        // SAFETY: nothing else was opened yet in this process, so no value owns what is closed.
        check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } as i32).map(drop)
    };
    let mut first = 3;
    let gaps = keep.iter().copied().chain([u32::MAX]).try_for_each(|end| {
        let gap = close(first, end.saturating_sub(u32::from(end != u32::MAX)));
        first = end.saturating_add(1);
        gap
    });
    gaps.or_else(|_| close_one_by_one(&keep))
}

/// For kernels before 5.9.
fn close_one_by_one(keep: &[u32]) -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) {
            open.push(number);
        }
    }
    for number in open.into_iter().filter(|number| *number > 2 && !keep.contains(number)) {
        // SAFETY: as in `close_others`; the folder's own descriptor is closed already, which is harmless.
        let _ = unsafe { libc::close(number as i32) };
    }
    Ok(())
}
