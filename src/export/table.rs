//! One file of rows. The rows that bring a new shape stand first, the others in the order of the plan.

use super::error::ExportError;
use super::shape::Shape;
use crate::util::digest::{hex, sha256_hex};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes that are copied at once.
const CHUNK: u64 = 1 << 20;

/// A row's place in its file and where it comes from.
#[derive(Debug)]
struct Line {
    offset: u64,
    len: u64,
    origin: Value,
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Table {
    /// Name in the folder, for example `groups/train.jsonl`.
    pub(super) name: String,
    pub(super) table: usize,
    pub(super) split: &'static str,
    path: PathBuf,
    file: BufWriter<File>,
    lines: Vec<Line>,
    fronts: Vec<usize>,
    pub(super) shape: Shape,
    len: u64,
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) table: usize,
    pub(super) split: &'static str,
    pub(super) rows: usize,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// One line of `provenance.jsonl` a row.
    pub(super) origins: Vec<Value>,
}

impl Table {
    pub(super) fn new(
        folder: &Path,
        table: usize,
        below: &str,
        split: &'static str,
    ) -> Result<Self, ExportError> {
        let name = if below.is_empty() { format!("{split}.jsonl") } else { format!("{below}/{split}.jsonl") };
        let path = folder.join(&name);
        let made = fs::create_dir_all(folder.join(below)).and_then(|()| File::create(&path));
        let file = made.map_err(|error| ExportError::disk("write", &path, &error))?;
        Ok(Self {
            name,
            table,
            split,
            path,
            file: BufWriter::with_capacity(1 << 20, file),
            lines: Vec::new(),
            fronts: Vec::new(),
            shape: Shape::default(),
            len: 0,
        })
    }

    /// Adds a row: its columns, and the same as a line with its newline.
    pub(super) fn add(
        &mut self,
        columns: &Map<String, Value>,
        line: &[u8],
        mut origin: Value,
    ) -> Result<(), ExportError> {
        if self.shape.add_row(columns) {
            self.fronts.push(self.lines.len());
        }
        origin["sha256"] = sha256_hex(&line[..line.len() - 1]).into();
        self.lines.push(Line { offset: self.len, len: line.len() as u64, origin });
        self.len += line.len() as u64;
        self.file.write_all(line).map_err(|error| self.trouble(&error))
    }

    fn trouble(&self, error: &io::Error) -> ExportError {
        ExportError::disk("write", Path::new(&self.name), error)
    }

    /// Puts the rows in their order and closes the file.
    pub(super) fn finish(mut self) -> Result<Written, ExportError> {
        let order = self.order();
        self.file.flush().map_err(|error| self.trouble(&error))?;
        if order.iter().enumerate().any(|(n, index)| n != *index) {
            self.rewrite(&order).map_err(|error| self.trouble(&error))?;
        }
        let sha256 = digest(&self.path).map_err(|error| self.trouble(&error))?;
        let mut lines: Vec<Option<Line>> = self.lines.into_iter().map(Some).collect();
        let mut origins = Vec::with_capacity(lines.len());
        for (n, index) in order.into_iter().enumerate() {
            if let Some(line) = lines[index].take() {
                let mut origin = json!({"file": self.name, "row": n + 1});
                if let (Some(all), Value::Object(rest)) = (origin.as_object_mut(), line.origin) {
                    all.extend(rest);
                }
                origins.push(origin);
            }
        }
        let (rows, bytes) = (origins.len(), self.len);
        Ok(Written { name: self.name, table: self.table, split: self.split, rows, bytes, sha256, origins })
    }

    fn order(&self) -> Vec<usize> {
        let mut front = vec![false; self.lines.len()];
        self.fronts.iter().for_each(|index| front[*index] = true);
        let rest = (0..self.lines.len()).filter(|index| !front[*index]);
        self.fronts.iter().copied().chain(rest).collect()
    }

    fn rewrite(&self, order: &[usize]) -> io::Result<()> {
        let fresh = self.path.with_extension("ordered");
        let from = File::open(&self.path)?;
        let mut to = BufWriter::with_capacity(1 << 20, File::create(&fresh)?);
        let mut buffer = vec![0; CHUNK as usize];
        for index in order {
            let line = &self.lines[*index];
            let mut at = line.offset;
            let end = line.offset + line.len;
            while at < end {
                let part = &mut buffer[..(end - at).min(CHUNK) as usize];
                from.read_exact_at(part, at)?;
                to.write_all(part)?;
                at += part.len() as u64;
            }
        }
        to.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&fresh, &self.path)
    }
}

/// Digest of a file, which is made durable on the way.
pub(super) fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.sync_all()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK as usize];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}
