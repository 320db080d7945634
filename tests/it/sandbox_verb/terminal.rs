//! A command on the terminal of its caller.

use super::{levels, sandbox};
use crate::support::program;
use rustix::fd::OwnedFd;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A terminal: what a person would sit at, and what a program gets.
fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("a PTY");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let slave = ioctl_tiocgptpeer(&master, flags).expect("its other side");
    (master, slave)
}

fn resize(master: &OwnedFd, (columns, rows): (u16, u16)) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).expect("resized");
}

/// All that was printed so far.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn read(master: &OwnedFd) -> Self {
        let screen = Self::default();
        let (mut master, seen) = (File::from(master.try_clone().expect("a copy")), screen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                seen.0.lock().expect("whole").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        screen
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let end = Instant::now() + Duration::from_mins(1);
        while !self.0.lock().expect("whole").contains(text) {
            assert!(Instant::now() < end, "no {text:?} in {:?}", self.0.lock().expect("whole"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_terminal_is_passed_with_its_size_its_keys_and_its_modes() {
    for level in levels() {
        let (master, slave) = terminal();
        resize(&master, (91, 17));
        let modes = |slave: &OwnedFd| tcgetattr(slave).expect("modes").local_modes;
        let before = modes(&slave);
        assert!(before.contains(LocalModes::ECHO | LocalModes::ISIG));
        let script = "trap 'echo in''terrupted; exit 9' INT; tty >/dev/null && stty size; read a; echo \"got <$a>\"; \
                      trap 'stty size; echo re''sized' WINCH; echo re''ady; while :; do sleep 0.05; done";
        let mut command = sandbox(level, &["bash", "-c", script]).command();
        command.env("TERM", "xterm");
        command.stdin(Stdio::from(slave.try_clone().expect("a copy")));
        command.stdout(Stdio::from(slave.try_clone().expect("a copy")));
        command.stderr(Stdio::from(slave.try_clone().expect("a copy")));
        let mut child = command.spawn().expect("started");
        drop(command);
        let screen = Screen::read(&master);
        let mut keys = File::from(master.try_clone().expect("a copy"));
        screen.wait_for("17 91\r\n");
        assert!(!modes(&slave).contains(LocalModes::ISIG), "{level:?}: keys are for the command");
        keys.write_all(b"hello\r").expect("typed");
        // The command's own terminal shows what is typed.
        screen.wait_for("hello\r\n");
        screen.wait_for("got <hello>\r\n");
        screen.wait_for("ready\r\n");
        resize(&master, (60, 9));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::WINCH).expect("told");
        screen.wait_for("9 60\r\nresized\r\n");
        keys.write_all(b"\x03").expect("typed");
        screen.wait_for("interrupted\r\n");
        assert_eq!(program::finish(&mut child, Duration::from_mins(1)), Some(9), "{level:?}");
        assert_eq!(modes(&slave), before, "{level:?}: the modes come back");
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_command() {
    for level in levels() {
        let (master, slave) = terminal();
        let mut command = sandbox(level, &["sh", "-c", "echo re''ady; exec sleep 952"]).command();
        command.stdin(Stdio::from(slave.try_clone().expect("a copy")));
        command.stdout(Stdio::from(slave)).stderr(Stdio::null());
        let mut child = command.spawn().expect("started");
        drop(command);
        let mut seen = Vec::new();
        let mut master = File::from(master);
        while !seen.ends_with(b"ready\r\n") {
            let mut byte = [0];
            master.read_exact(&mut byte).expect("output");
            seen.push(byte[0]);
        }
        drop(master);
        assert_eq!(program::finish(&mut child, Duration::from_mins(1)), Some(129), "{level:?}");
        assert_eq!(crate::sandbox::levels::processes_with("sleep\0952"), 0, "{level:?}");
    }
}
