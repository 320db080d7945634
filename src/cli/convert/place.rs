//! Where the output goes: stdout, a file, or a folder. A file and a folder get their names when they are whole.

use super::super::CliError;
use super::Plan;
use crate::formats::{Output, Writer};
use crate::store::io_text;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// The output under construction.
pub(super) enum Place {
    /// Lines or one document to stdout; held back while it may still be refused.
    Stdout { held: Option<BufWriter<File>>, documents: u64 },
    /// Lines or one document in a file.
    File { file: BufWriter<NamedTempFile>, path: PathBuf, documents: u64 },
    /// A file or a folder for each trajectory.
    Folder { stage: TempDir, lock: File, path: PathBuf, force: bool },
}

impl Place {
    /// Opens the output that the plan names.
    ///
    /// # Errors
    /// It can't be made there, or something is in the way.
    pub(super) fn open(plan: &Plan) -> Result<Self, CliError> {
        let several = matches!(plan.writer, Writer::Document { .. } | Writer::Folder(_));
        let Some(path) = &plan.output else {
            if matches!(plan.writer, Writer::Folder(_)) {
                return Err(CliError::usage(format!("'{}' is a folder for each trajectory", plan.to.name))
                    .hint("name a folder with '-o DIR'"));
            }
            let held = plan.deny.then(tempfile::tempfile).transpose();
            let held = held.map_err(|error| disk("a temporary file", &error))?;
            return Ok(Self::Stdout { held: held.map(BufWriter::new), documents: 0 });
        };
        let folder = path.is_dir()
            || path.as_os_str().as_encoded_bytes().ends_with(b"/")
            || matches!(plan.writer, Writer::Folder(_))
            || path.extension().is_none();
        if several && folder {
            return Self::folder(path, plan.force);
        }
        if path.is_dir() {
            return Err(CliError::usage(format!("'{}' is a folder", path.display()))
                .hint(format!("'{}' goes into one file: name it with '-o FILE'", plan.to.name)));
        }
        let (parent, prefix) = beside(path);
        sweep(&parent, &prefix);
        let made = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(&parent)
            .and_then(|file| {
                rustix::fs::flock(file.as_file(), FlockOperation::NonBlockingLockExclusive)?;
                Ok(file)
            });
        let file = made.map_err(|error| write_error(path, &error))?;
        Ok(Self::File { file: BufWriter::with_capacity(1 << 20, file), path: path.clone(), documents: 0 })
    }

    fn folder(path: &Path, force: bool) -> Result<Self, CliError> {
        let filled = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(write_error(path, &error)),
        };
        if filled && !force {
            return Err(CliError::usage(format!("the output folder '{}' is not empty", path.display()))
                .hint("name a new folder with '-o DIR', or write into this one with '--force'"));
        }
        let (parent, prefix) = beside(path);
        fs::create_dir_all(&parent).map_err(|error| write_error(path, &error))?;
        sweep(&parent, &prefix);
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent).and_then(|stage| {
            let lock = File::open(stage.path())?;
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok((stage, lock))
        });
        let (stage, lock) = made.map_err(|error| write_error(path, &error))?;
        Ok(Self::Folder { stage, lock, path: path.to_owned(), force })
    }

    /// Adds whole lines.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn lines(&mut self, lines: &[u8]) -> Result<(), CliError> {
        if lines.is_empty() {
            return Ok(());
        }
        match self {
            Self::Folder { .. } => Ok(()),
            Self::File { file, path, .. } => file.write_all(lines).map_err(|error| write_error(path, &error)),
            Self::Stdout { held: Some(file), .. } => {
                file.write_all(lines).map_err(|error| disk("a temporary file", &error))
            }
            Self::Stdout { held: None, .. } => {
                to_stdout(|out| out.write_all(lines));
                Ok(())
            }
        }
    }

    /// Adds what one trajectory became; `name` is its own among all.
    ///
    /// # Errors
    /// The disk fails, or a second document does not fit into one file.
    pub(super) fn put(&mut self, name: &str, output: &Output) -> Result<(), CliError> {
        match self {
            Self::Folder { stage, path, .. } => {
                let written = match output {
                    Output::Folder(files) => files.iter().try_for_each(|file| {
                        write_new(&stage.path().join(name).join(&file.name), &file.bytes)
                    }),
                    Output::Document(ending, bytes) => {
                        write_new(&stage.path().join(format!("{name}.{ending}")), bytes)
                    }
                    Output::Line(line) => write_new(&stage.path().join(format!("{name}.jsonl")), line),
                };
                written.map_err(|error| write_error(path, &error))
            }
            Self::File { file, path, documents } => {
                one_only(output, documents)?;
                put(file, output).map_err(|error| write_error(path, &error))
            }
            Self::Stdout { held, documents } => {
                one_only(output, documents)?;
                match held {
                    Some(file) => put(file, output).map_err(|error| disk("a temporary file", &error)),
                    None => {
                        to_stdout(|out| put(out, output));
                        Ok(())
                    }
                }
            }
        }
    }

    /// Gives the output its name; stdout gets what was held back.
    ///
    /// # Errors
    /// The disk fails, or something took the name meanwhile.
    pub(super) fn finish(self) -> Result<(), CliError> {
        match self {
            Self::Stdout { held: None, .. } => Ok(()),
            Self::Stdout { held: Some(file), .. } => {
                let read = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut file| {
                    file.rewind()?;
                    Ok(file)
                });
                let mut file = read.map_err(|error| disk("a temporary file", &error))?;
                to_stdout(|out| io::copy(&mut file, out).map(|_| ()));
                Ok(())
            }
            Self::File { file, path, .. } => {
                let done = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
                    file.as_file().sync_all()?;
                    file.persist(&path).map_err(|error| error.error)
                });
                done.map(|_| ()).map_err(|error| write_error(&path, &error))
            }
            Self::Folder { stage, lock, path, force } => {
                let done = move_in(&stage, &path, force);
                drop(lock);
                if matches!(done, Ok(true)) {
                    // It has moved: there is nothing left to remove.
                    let _ = stage.keep();
                }
                done.map(|_| ()).map_err(|error| write_error(&path, &error))
            }
        }
    }
}

/// Moves the staged folder to its name; `true` if it moved as a whole. Into a folder that holds files its entries
/// move one by one.
fn move_in(stage: &TempDir, path: &Path, force: bool) -> io::Result<bool> {
    fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o755))?;
    File::open(stage.path())?.sync_all()?;
    let filled = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if !(filled && force) {
        // The system refuses the name of a folder that has got files meanwhile.
        return fs::rename(stage.path(), path).map(|()| true);
    }
    for entry in fs::read_dir(stage.path())? {
        let entry = entry?;
        let target = path.join(entry.file_name());
        if entry.file_type()?.is_dir() && target.is_dir() {
            fs::remove_dir_all(&target)?;
        }
        fs::rename(entry.path(), target)?;
    }
    Ok(false)
}

/// Lines may be many; a document is one a file.
fn one_only(output: &Output, documents: &mut u64) -> Result<(), CliError> {
    *documents += u64::from(!matches!(output, Output::Line(_)));
    if *documents > 1 {
        return Err(CliError::usage("there are several trajectories, and one file holds one")
            .hint("name a folder for them with '-o DIR/'"));
    }
    Ok(())
}

fn put(out: &mut impl io::Write, output: &Output) -> io::Result<()> {
    match output {
        Output::Line(line) => {
            out.write_all(line)?;
            out.write_all(b"\n")
        }
        Output::Document(_, bytes) => out.write_all(bytes),
        Output::Folder(_) => Ok(()),
    }
}

fn to_stdout(write: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'_>>) -> io::Result<()>) {
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    // A reader that went away (`| head`) is success.
    let _ = write(&mut out).and_then(|()| out.flush());
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create_new(path)?.write_all(bytes)
}

/// The folder in which something gets its name, and how what is unfinished is called there.
fn beside(path: &Path) -> (PathBuf, String) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().map_or_else(|| "output".into(), |name| name.to_string_lossy());
    (parent.unwrap_or(Path::new(".")).to_owned(), format!(".{name}.unfinished-"))
}

/// Removes what conversions left that were killed: nobody holds its lock.
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = entry.path();
        // What was made this very moment is not locked yet, but it is empty; what is still empty after a minute was killed.
        let filled = match fs::read_dir(&path) {
            Ok(mut inner) => inner.next().is_some(),
            Err(_) => File::open(&path).and_then(|mut file| file.read(&mut [0])).is_ok_and(|n| n > 0),
        };
        let free = || -> io::Result<File> {
            let file = File::open(&path)?;
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(file)
        };
        // Held until it is gone.
        let modified = entry.metadata().and_then(|meta| meta.modified()).ok();
        let old = modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age.as_secs() > 60);
        if (filled || old)
            && let Ok(_lock) = free()
        {
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

fn disk(what: &str, error: &io::Error) -> CliError {
    CliError::harness(format!("can't write {what}: {}", io_text(error)))
}

/// A name that the user gave and that can't be written.
pub(super) fn write_error(path: &Path, error: &io::Error) -> CliError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            CliError::usage(format!("{path} can't be written: there is no such folder"))
                .hint("name a file in a folder that exists with -o")
        }
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            CliError::usage(format!("{path} can't be written: something took its name meanwhile"))
                .hint("name another one with -o")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            CliError::usage(format!("{path} can't be written: {}", io_text(error)))
                .hint("name another place with -o")
        }
        _ => CliError::harness(format!("{path} can't be written: {}", io_text(error))),
    }
}
