//! A sandbox's files in a file of the host: written when its attempt is over, opened in fresh sandboxes.
//!
//! The file is one line of JSON that says whose state it is, then a zstd stream of the parts that `wire::part` names.
//! Invariants: nothing of the agent becomes a file of the host by itself, so no mode, owner, link or device of it means
//! anything there; the file is whole under its name or not there; only its owner can read it.

use super::wire::failed;
use super::{Level, SandboxError};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version of the format.
const VERSION: &str = "1.0";
/// Name of the first key, by which such a file is known.
const KEY: &str = "rolltape_sandbox";
/// Longest first line.
const MAX_HEAD: u64 = 64 << 10;
/// How a file in the making ends.
const YOUNG: &str = ".part";

/// Whose state it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateHead {
    /// The attempt.
    pub attempt: String,
    /// The level that its sandbox had.
    pub level: Level,
    /// The image that it showed; empty for the host's system folders.
    pub image: String,
    /// The image's digest.
    pub digest: String,
}

/// What of it only the harness knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The attempt.
    pub attempt: String,
    /// The image that its sandbox shows; empty for the host's system folders.
    pub image: String,
    /// The image's digest.
    pub digest: String,
}

/// What was kept of a sandbox, and what was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeptState {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes in files.
    pub bytes: u64,
    /// Files, folders and links that are not in it.
    pub left_out: u64,
    /// Whether some are left out as there would have been too much.
    pub cut: bool,
}

impl StateHead {
    fn line(&self) -> String {
        let value = json!({
            KEY: VERSION,
            "attempt": self.attempt,
            "level": self.level.as_str(),
            "image": self.image,
            "digest": self.digest,
        });
        format!("{value}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let (major, _) = value.get(KEY)?.as_str()?.split_once('.')?;
        if major != "1" {
            return None;
        }
        let level = text("level")?;
        let all = [Level::None, Level::Process, Level::User, Level::Overlay];
        Some(Self {
            attempt: text("attempt")?,
            level: all.into_iter().find(|known| known.as_str() == level)?,
            image: text("image")?,
            digest: text("digest")?,
        })
    }
}

/// A kept state that was found, not read yet.
#[derive(Debug)]
pub struct State {
    /// Whose it is.
    pub head: StateHead,
    file: BufReader<At>,
}

/// Reads a file from a place of its own: several may read one descriptor.
#[derive(Debug)]
struct At(Arc<File>, u64);

impl io::Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read_at(buffer, self.1)?;
        self.1 += count as u64;
        Ok(count)
    }
}

impl State {
    /// Opens a file that [`super::Sandbox::keep`] wrote; errors name it as `shown`.
    pub fn open(path: &Path, shown: &str) -> Result<Self, SandboxError> {
        let what = || format!("open the kept state '{shown}'");
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|error| failed(&what(), &error))?;
        let damaged = || {
            let mut error = SandboxError::new(format!("'{shown}' is no kept state of a sandbox"));
            error.hint =
                Some("`rolltape run --keep-sandbox failed` writes them below `sandboxes`".to_owned());
            error
        };
        if !file.metadata().is_ok_and(|data| data.is_file()) {
            return Err(damaged());
        }
        Self::of(Arc::new(file)).ok_or_else(damaged)
    }

    fn of(file: Arc<File>) -> Option<Self> {
        let mut file = BufReader::new(At(file, 0));
        let mut line = Vec::new();
        io::Read::take(&mut file, MAX_HEAD).read_until(b'\n', &mut line).ok()?;
        Some(Self { head: StateHead::parse(std::str::from_utf8(&line).ok()?)?, file })
    }

    /// The same once more, from its beginning.
    pub(super) fn again(&self) -> Option<Self> {
        Self::of(Arc::clone(&self.file.get_ref().0))
    }

    /// Packs a sandbox into a file without a name.
    pub(super) fn unnamed(head: &StateHead) -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(head.line().as_bytes())?;
        Ok(file)
    }

    /// What was packed into such a file.
    pub(super) fn packed(file: File) -> Option<Self> {
        Self::of(Arc::new(file))
    }

    /// The parts, one after the other, as a pipe that a thread fills.
    pub(super) fn stream(self) -> Result<OwnedFd, SandboxError> {
        let (reader, writer) = pipe()?;
        std::thread::spawn(move || {
            let mut writer = File::from(writer);
            let unpacked = zstd::stream::read::Decoder::with_buffer(self.file);
            // Whoever reads sees a stream without an end.
            let _ = unpacked.and_then(|mut unpacked| io::copy(&mut unpacked, &mut writer));
        });
        Ok(reader)
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| failed("open a pipe", &error.into()))
}

/// A state on its way to a file.
pub(super) struct Young {
    path: PathBuf,
    young: PathBuf,
    file: File,
}

impl Young {
    /// Begins the file; its folder is made if need be.
    pub(super) fn begin(path: &Path, head: &StateHead) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            match fs::DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let mut young = path.as_os_str().to_owned();
        young.push(YOUNG);
        let young = PathBuf::from(young);
        let _ = fs::remove_file(&young);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&young)?;
        let mut made = Self { path: path.to_owned(), young, file };
        made.file.write_all(head.line().as_bytes())?;
        Ok(made)
    }

    /// What it is written to.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The whole file gets its name.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.young, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Young {
    fn drop(&mut self) {
        // After `finish` there is none.
        let _ = fs::remove_file(&self.young);
    }
}

/// A pipe to write a state into, and the thread that compresses it into `file`.
pub(super) fn drain(
    file: File,
) -> Result<(OwnedFd, tokio::task::JoinHandle<io::Result<File>>), SandboxError> {
    let (reader, writer) = pipe()?;
    let work = tokio::task::spawn_blocking(move || {
        fill(&file, reader)?;
        Ok(file)
    });
    Ok((writer, work))
}

fn fill(file: &File, from: OwnedFd) -> io::Result<()> {
    let mut packed = zstd::stream::write::Encoder::new(file, 1)?;
    io::copy(&mut File::from(from), &mut packed)?;
    packed.finish().map(drop)
}

/// Removes what a killed run left half written in its folder of states.
pub fn sweep_states(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().ends_with(YOUNG.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
