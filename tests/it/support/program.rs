//! The built program, run as a user would.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Runs `rolltape` with these arguments in a folder of no importance, stdin closed.
pub(crate) fn rolltape<A: AsRef<OsStr>>(arguments: &[A]) -> Output {
    Rolltape::new(arguments).run()
}

/// What a run of the program gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Exit code; 128 + signal when a signal ended it.
    pub(crate) code: i32,
    /// stdout, lossy.
    pub(crate) stdout: String,
    /// stderr, lossy.
    pub(crate) stderr: String,
}

impl Output {
    /// Asserts the exit code and shows the whole output if it is another.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Exit code, stderr and stdout in one text, as snapshots of errors show it; `from` becomes `to`.
    pub(crate) fn masked(&self, from: &Path, to: &str) -> String {
        let text = format!("exit {}\n--- stderr\n{}--- stdout\n{}", self.code, self.stderr, self.stdout);
        text.replace(&from.display().to_string(), to)
    }
}

/// The program with arguments, folder, environment, stdin and a time limit.
#[derive(Debug, Clone)]
pub(crate) struct Rolltape {
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    environment: Vec<(OsString, Option<OsString>)>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
}

impl Rolltape {
    /// With these arguments.
    pub(crate) fn new<A: AsRef<OsStr>>(arguments: &[A]) -> Self {
        Self {
            arguments: arguments.iter().map(|argument| argument.as_ref().to_owned()).collect(),
            folder: None,
            environment: Vec::new(),
            stdin: None,
            timeout: Duration::from_mins(2),
        }
    }

    /// Working folder.
    pub(crate) fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a variable.
    pub(crate) fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// What the program reads from stdin.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Another limit than two minutes.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// As a command, for tests that drive it themselves: output piped, the environment without what a
    /// developer may have set for himself.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolltape"));
        command.args(&self.arguments).current_dir(self.folder.as_deref().unwrap_or_else(|| Path::new("/")));
        for (name, _) in std::env::vars_os() {
            let own = name.to_string_lossy().starts_with("ROLLTAPE_");
            if own || name == "NO_COLOR" || name == "CLICOLOR_FORCE" || name == "COLUMNS" {
                command.env_remove(name);
            }
        }
        // Nor with a configuration of his own: nothing lies there.
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command
    }

    /// Starts it. The caller waits for it and ends it.
    pub(crate) fn spawn(&self) -> Child {
        self.command().spawn().expect("the built program starts")
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Output {
        let mut child = self.spawn();
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin.clone()) {
            // A program that does not read its input is no failure of the test.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let Some(code) = finish(&mut child, self.timeout) else {
            let _ = child.kill();
            let _ = child.wait();
            let (out, err) = (text(&stdout), text(&stderr));
            panic!("{:?} ran over {:?}\nstdout:\n{out}\nstderr:\n{err}", self.arguments, self.timeout);
        };
        Output { code, stdout: text(&stdout), stderr: text(&stderr) }
    }
}

/// Waits for a child; `None` when the time is over.
pub(crate) fn finish(child: &mut Child, timeout: Duration) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// The text, unless something that outlives the program still holds the pipe.
#[track_caller]
fn text(receiver: &Receiver<Vec<u8>>) -> String {
    let bytes = receiver.recv_timeout(Duration::from_secs(10));
    String::from_utf8_lossy(&bytes.expect("no process that the program left behind holds its output"))
        .into_owned()
}
