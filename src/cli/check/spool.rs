//! Bytes that wait: in memory up to a size, beyond it in an unnamed file.
//!
//! Invariant: what comes out is what was put in, in its order.

use crate::model::Location;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::os::unix::fs::FileExt;

/// Bytes that are held in memory.
pub(super) const HELD: usize = 16 << 20;

/// Packed things, each of which knows its own end.
pub(super) struct Spool {
    /// Behind what is in the file.
    held: Vec<u8>,
    limit: usize,
    file: Option<(File, u64)>,
    count: usize,
}

impl Spool {
    /// A spool that holds so many bytes in memory.
    pub(super) fn holding(limit: usize) -> Self {
        Self { held: Vec::new(), limit, file: None, count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether something waits in a file.
    #[cfg(test)]
    pub(super) fn is_aside(&self) -> bool {
        self.file.is_some()
    }

    /// Adds one thing, which `pack` writes.
    pub(super) fn push(&mut self, pack: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        pack(&mut self.held);
        if self.held.len() > self.limit {
            self.put_aside();
        }
    }

    /// Moves what is held into the file. Without room for a file it stays where it is.
    fn put_aside(&mut self) {
        if self.file.is_none() {
            self.file = tempfile::tempfile().ok().map(|file| (file, 0));
        }
        let written = match &mut self.file {
            Some((file, size)) if file.write_all_at(&self.held, *size).is_ok() => {
                *size += self.held.len() as u64;
                true
            }
            _ => false,
        };
        if written {
            self.held.clear();
        } else {
            self.limit *= 2;
        }
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |(_, size)| *size) + self.held.len() as u64
    }

    /// All of it from the start.
    pub(super) fn reader(&self) -> Box<dyn Read + '_> {
        self.piece(0, self.bytes())
    }

    /// The bytes from `start` to `end`.
    pub(super) fn piece(&self, start: u64, end: u64) -> Box<dyn Read + '_> {
        let aside = self.file.as_ref().map_or(0, |(_, size)| *size);
        let within = |at: u64| self.held.len().min(at.saturating_sub(aside) as usize);
        let held = Cursor::new(&self.held[within(start)..within(end)]);
        match &self.file {
            Some((file, size)) if start < *size => {
                let aside = Aside { file, at: start, size: end.min(*size) };
                Box::new(BufReader::with_capacity(1 << 16, aside).chain(held))
            }
            _ => Box::new(held),
        }
    }
}

pub(super) fn damaged() -> io::Error {
    io::Error::other("the file in which findings wait is damaged")
}

/// What waits in the file, read without moving the file's own position.
struct Aside<'a> {
    file: &'a File,
    at: u64,
    size: u64,
}

impl Read for Aside<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..left], self.at)?;
        if count == 0 && left > 0 {
            return Err(damaged());
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// Seven bits a byte, the lowest first.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn option(out: &mut Vec<u8>, value: Option<u64>) {
    number(out, value.map_or(0, |value| value + 1));
}

pub(super) fn place(out: &mut Vec<u8>, place: Option<&Location>) {
    option(out, place.map(|place| place.line));
    if let Some(place) = place {
        number(out, place.column);
    }
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    // Writing to memory can't fail.
    let _ = out.write_all(text.as_bytes());
}

pub(super) fn read_number(from: &mut impl Read) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged())
}

pub(super) fn read_option(from: &mut impl Read) -> io::Result<Option<u64>> {
    Ok(read_number(from)?.checked_sub(1))
}

pub(super) fn read_place(from: &mut impl Read) -> io::Result<Option<Location>> {
    Ok(match read_option(from)? {
        Some(line) => Some(Location { line, column: read_number(from)? }),
        None => None,
    })
}

pub(super) fn read_text(from: &mut impl Read) -> io::Result<String> {
    let length = read_number(from)?;
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(damaged());
    }
    String::from_utf8(bytes).map_err(|_| damaged())
}
