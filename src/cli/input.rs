//! Opening what the user named: files, folders, stdin. What can't be opened is said and loses nothing else.

mod opened;
mod ordered;
mod stream;
mod windows;

use super::Context;
use crate::formats::{ReadError, decompress};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

pub(super) use opened::{Opened, Pace, line_spans, long, open, passed, size, size_args};
pub(super) use ordered::in_order;
pub(super) use stream::{Stream, Trouble};
pub(super) use windows::{Window, Windows};

/// A file that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The name that messages use: the path as given, `-` for stdin.
    pub(super) name: String,
    /// What to open; `None` is stdin.
    path: Option<PathBuf>,
    /// Found in a folder rather than named: it may be passed by if it is no transcript.
    pub(super) walked: bool,
}

impl Found {
    /// A file that was named.
    #[cfg(test)]
    pub(super) fn named(path: &Path) -> Self {
        Self { name: "f.jsonl".to_owned(), path: Some(path.to_owned()), walked: false }
    }

    /// Bytes on disk, as far as they are known.
    pub(super) fn size(&self) -> u64 {
        self.path.as_ref().and_then(|path| fs::metadata(path).ok()).map_or(0, |meta| meta.len())
    }

    /// Bytes to read, roughly: stdin may be of any size, and what is compressed grows.
    pub(super) fn weight(&self) -> u64 {
        let packed = ["gz", "zst"].iter().any(|end| self.name.ends_with(end));
        match &self.path {
            None => u64::MAX / 4,
            Some(_) => self.size() * if packed { 8 } else { 1 },
        }
    }
}

/// What the arguments came to.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Files in order: arguments as given, folders by name.
    pub(super) files: Vec<Found>,
    /// What can't be had.
    pub(super) errors: Vec<ReadError>,
}

/// Finds all files behind the arguments. Hidden files and folders inside a folder are left out; what
/// is neither file nor folder there is said and skipped.
pub(super) fn gather(paths: &[PathBuf], context: &Context) -> Gathered {
    let mut gathered = Gathered::default();
    for path in paths {
        let name = path.to_string_lossy().into_owned();
        if path.as_os_str() == "-" {
            gathered.files.push(Found { name, path: None, walked: false });
            continue;
        }
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk(path, &mut gathered, context),
            Ok(meta) if meta.is_file() => {
                gathered.files.push(Found { name, path: Some(path.clone()), walked: false });
            }
            Ok(meta) => {
                let message = format!("is {}, not a file or a folder", kind(meta.file_type()));
                let hint = format!("pipe it in: rolltape check - < {name}");
                gathered.errors.push(problem(name, message, Some(hint)));
            }
            Err(error) => gathered.errors.push(open_error(name, &error)),
        }
    }
    gathered
}

fn walk(root: &Path, gathered: &mut Gathered, context: &Context) {
    let before = gathered.files.len() + gathered.errors.len();
    let hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().as_encoded_bytes().first() == Some(&b'.')
    };
    let entries = WalkDir::new(root).follow_links(true).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let name = entry.path().to_string_lossy().into_owned();
                if entry.file_type().is_file() {
                    gathered.files.push(Found { name, path: Some(entry.into_path()), walked: true });
                } else {
                    context.say(&format!("skipped: {name} is {}", kind(entry.file_type())));
                }
            }
            Err(error) => {
                let name = error.path().unwrap_or(root).to_string_lossy().into_owned();
                match error.io_error() {
                    Some(io) => gathered.errors.push(open_error(name, io)),
                    None => context.say(&format!("skipped: {name} is a link to a folder above it")),
                }
            }
        }
    }
    if gathered.files.len() + gathered.errors.len() == before {
        let name = root.to_string_lossy().into_owned();
        let hint = Some("a folder of transcripts holds files that are not hidden".to_owned());
        gathered.errors.push(problem(name, "holds no file".to_owned(), hint));
    }
}

/// The bytes of a file as they are.
pub(super) fn raw(found: &Found) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let outcome = match &found.path {
        Some(path) => File::open(path).and_then(|mut file| {
            is_file(&file)?;
            file.read_to_end(&mut bytes)
        }),
        None => io::stdin().lock().read_to_end(&mut bytes),
    };
    if let Err(error) = outcome {
        return Err(open_error(found.name.clone(), &error));
    }
    Ok(bytes)
}

/// The size of what was opened, which may have become something else than a file since it was found.
fn is_file(file: &File) -> io::Result<u64> {
    let meta = file.metadata()?;
    if meta.is_file() { Ok(meta.len()) } else { Err(io::Error::other("it is no longer a file")) }
}

/// Decompresses the bytes of a file; a damaged rest comes back as an error beside them.
pub(super) fn unpack(found: &Found, bytes: Vec<u8>) -> (Vec<u8>, Option<ReadError>) {
    let unpacked = decompress(&bytes);
    let trouble = unpacked.problem.map(|message| ReadError {
        line: memchr::memchr_iter(b'\n', &unpacked.bytes).count() as u64 + 1,
        offset: unpacked.bytes.len() as u64,
        ..problem(found.name.clone(), message, Some("the file may be cut or damaged".to_owned()))
    });
    if let std::borrow::Cow::Owned(unpacked) = unpacked.bytes {
        return (unpacked, trouble);
    }
    (bytes, trouble)
}

fn open_error(name: String, error: &io::Error) -> ReadError {
    let (message, hint) = match error.kind() {
        io::ErrorKind::NotFound => (
            "there is no such file or folder".to_owned(),
            Some("paths are relative to the current folder".to_owned()),
        ),
        io::ErrorKind::PermissionDenied => {
            ("can't be read: permission denied".to_owned(), Some("look at its mode and owner".to_owned()))
        }
        _ => (format!("can't be read: {}", lower(&error.to_string())), None),
    };
    problem(name, message, hint)
}

/// A problem of a whole file.
pub(super) fn problem(path: String, message: String, hint: Option<String>) -> ReadError {
    ReadError { path, line: 0, offset: 0, message, hint }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn kind(kind: fs::FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something else"
    }
}
