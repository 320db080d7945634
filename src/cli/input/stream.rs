//! A file as a stream of its decompressed bytes. Nothing is mapped: a file that shrinks is told, not a signal.

use super::{Found, is_file, lower, open_error, problem};
use crate::formats::ReadError;
use std::fs::File;
use std::io::{self, Cursor, Read};

/// Most bytes of a file that is read whole.
const WHOLE_LIMIT: u64 = 2 << 30;

/// A file that is open.
pub(in crate::cli) struct Stream {
    name: String,
    reader: Box<dyn Read + Send>,
    /// How it is compressed.
    kind: Option<&'static str>,
    given: u64,
    ended: bool,
}

/// What ended a stream too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Trouble {
    message: String,
    hint: Option<String>,
}

impl Stream {
    /// Opens a file, or stdin, and looks at its first bytes.
    pub(in crate::cli) fn open(found: &Found) -> Result<Self, ReadError> {
        let opened = match &found.path {
            Some(path) => File::open(path).and_then(|file| {
                let size = is_file(&file)?;
                Ok(Box::new(Whole { file, size, read: 0 }) as Box<dyn Read + Send>)
            }),
            None => Ok(Box::new(io::stdin()) as Box<dyn Read + Send>),
        };
        let stream = opened.and_then(|raw| Self::of(found.name.clone(), raw));
        stream.map_err(|error| open_error(found.name.clone(), &error))
    }

    /// A stream of any reader.
    pub(in crate::cli) fn of(name: String, mut raw: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut magic = Vec::new();
        (&mut raw).take(4).read_to_end(&mut magic)?;
        let (gzip, zstd) = (magic.starts_with(&[0x1f, 0x8b]), magic == [0x28, 0xb5, 0x2f, 0xfd]);
        let raw = Cursor::new(magic).chain(raw);
        let (reader, kind): (Box<dyn Read + Send>, _) = if gzip {
            (Box::new(flate2::read::MultiGzDecoder::new(raw)), Some("gzip"))
        } else if zstd {
            (Box::new(zstd::stream::read::Decoder::new(raw)?), Some("zstd"))
        } else {
            (Box::new(raw), None)
        };
        Ok(Self { name, reader, kind, given: 0, ended: false })
    }

    pub(in crate::cli) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is nothing more to come.
    pub(in crate::cli) fn ended(&self) -> bool {
        self.ended
    }

    /// Fills `buffer` as far as there are bytes; gives how many.
    pub(in crate::cli) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let mut filled = 0;
        while filled < buffer.len() && !self.ended {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    filled += count;
                    self.given += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let trouble = self.trouble(&error);
                    if filled == 0 {
                        self.ended = true;
                        return Err(trouble);
                    }
                    // What was read before it comes first, the trouble at the next call.
                    self.reader = Box::new(Broken(Some(trouble.message)));
                    return Ok(filled);
                }
            }
        }
        Ok(filled)
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        let told = error.get_ref().and_then(|inner| inner.downcast_ref::<Told>());
        match (told, self.kind) {
            (Some(Told(message)), _) => Trouble { message: message.clone(), hint: hint(self.kind) },
            (None, Some(kind)) => Trouble {
                message: format!("damaged {kind} data after {} bytes: {error}", self.given),
                hint: hint(self.kind),
            },
            (None, None) => {
                Trouble { message: format!("can't be read: {}", lower(&error.to_string())), hint: None }
            }
        }
    }

    /// The rest of a file that has to be read whole, behind what was read of it; what went wrong stands beside it.
    pub(in crate::cli) fn whole(
        mut self,
        mut head: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<ReadError>), ReadError> {
        const STEP: usize = 1 << 20;
        let mut trouble = None;
        while !self.ended {
            let from = head.len();
            // Twice the size each time, so that a large file is not copied again and again.
            head.resize(from + from.clamp(STEP, 64 * STEP), 0);
            let count = self.fill(&mut head[from..]);
            head.truncate(from + count.as_ref().map_or(0, |count| *count));
            if let Err(found) = count {
                if self.kind.is_none() && head.is_empty() {
                    return Err(problem(self.name, found.message, found.hint));
                }
                trouble = Some(found.at(&self.name, &head));
            }
            if head.len() as u64 > WHOLE_LIMIT {
                let message = format!(
                    "is larger than the limit of {} GiB for a file that is read whole",
                    WHOLE_LIMIT >> 30
                );
                let hint =
                    "files with one record a line are read piece by piece, however large they are".to_owned();
                return Err(problem(self.name, message, Some(hint)));
            }
        }
        Ok((head, trouble))
    }
}

fn hint(kind: Option<&'static str>) -> Option<String> {
    kind.map(|_| "the file may be cut or damaged".to_owned())
}

impl Trouble {
    /// As an error behind the last of `bytes`.
    pub(in crate::cli) fn at(self, name: &str, bytes: &[u8]) -> ReadError {
        let line = memchr::memchr_iter(b'\n', bytes).count() as u64 + 1;
        self.error(name, line, bytes.len() as u64)
    }

    /// As an error at a place of the decompressed file.
    pub(in crate::cli) fn error(self, name: &str, line: u64, offset: u64) -> ReadError {
        ReadError { line, offset, ..problem(name.to_owned(), self.message, self.hint) }
    }
}

/// A sentence that is told as it is.
#[derive(Debug)]
struct Told(String);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

/// Fails with the sentence once, then has ended.
struct Broken(Option<String>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), |message| Err(io::Error::other(Told(message))))
    }
}

/// A file of a known size.
struct Whole {
    file: File,
    size: u64,
    read: u64,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        if count == 0 && !buffer.is_empty() && self.read < self.size {
            let message =
                format!("became shorter while it was read: {} bytes of {} were there", self.read, self.size);
            self.size = 0;
            return Err(io::Error::other(Told(message)));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_that_shrinks_is_told_with_what_was_there() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&[b'x'; 1000]).expect("written");
        let found = Found { name: "f".to_owned(), path: Some(file.path().to_owned()), walked: false };
        let mut stream = Stream::open(&found).expect("open");
        let mut buffer = [0; 100];
        assert_eq!(stream.fill(&mut buffer), Ok(100));
        file.as_file().set_len(300).expect("cut");
        let mut rest = [0; 4000];
        assert_eq!(stream.fill(&mut rest), Ok(200));
        let trouble = stream.fill(&mut rest).expect_err("told");
        assert_eq!(trouble.message, "became shorter while it was read: 300 bytes of 1000 were there");
        assert_eq!(stream.fill(&mut rest), Ok(0));
    }

    #[test]
    fn damaged_data_is_given_as_far_as_it_goes() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        packed.write_all(&vec![b'x'; 100_000]).expect("written");
        let mut packed = packed.finish().expect("packed");
        packed.truncate(50_000);
        let stream = Stream::of("f".to_owned(), Box::new(Cursor::new(packed))).expect("open");
        let (bytes, trouble) = stream.whole(Vec::new()).expect("read");
        assert!(bytes.len() > 40_000 && bytes.iter().all(|byte| *byte == b'x'));
        let trouble = trouble.expect("told");
        assert!(trouble.message.starts_with("damaged gzip data after "), "{trouble}");
        assert_eq!(trouble.offset, bytes.len() as u64);
    }
}
