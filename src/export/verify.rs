//! The proof of an export folder: what stands in it is what was written, is free of secrets, keeps
//! its splits apart, and says what the sources say.

use super::convert::{self, Ask, Calls, Think};
use super::dialogue::{Role, Turn};
use super::error::ExportError;
use super::folder::SourceFacts;
use super::guard::{Guard, Leak};
use super::intake::{Entry, ask_digest};
use super::{Target, card, table};
use crate::util::digest::sha256_hex;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Problems that are told one by one.
const TOLD: usize = 20;

/// Lines that are looked at together.
const CHUNK: usize = 512;

/// What is wrong, one sentence each.
pub type Found = Vec<String>;

/// A row as the folder has it.
#[derive(Debug)]
struct RowRef {
    file: usize,
    offset: u64,
    len: usize,
    split: String,
}

/// One source of a row.
#[derive(Debug)]
struct Want {
    row: usize,
    /// Which of the row's sources it is.
    part: usize,
    turns: usize,
}

/// A folder that was opened and read once.
#[derive(Debug)]
pub struct Recorded {
    dir: PathBuf,
    target: &'static Target,
    /// How dialogues were made.
    pub ask: Ask,
    /// Options as recorded.
    pub options: Value,
    /// Sources as recorded.
    pub sources: Vec<SourceFacts>,
    files: Vec<String>,
    rows: Vec<RowRef>,
    wanted: BTreeMap<(usize, String), Vec<Want>>,
    asks: BTreeMap<String, String>,
    problems: Found,
    compared: u64,
}

/// The result of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Rows in all files.
    pub rows: u64,
    /// Rows or parts of rows that were compared with their source.
    pub compared: u64,
    /// Those whose source was not there.
    pub missing: u64,
    /// What is wrong.
    pub problems: Found,
}

/// Names a target in the table of targets, for `Debug`.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Reads a folder whole: digests, counts, lines, secrets, splits.
///
/// # Errors
/// It is no export folder, or of a newer version.
pub fn open(dir: &Path, guard: &Guard) -> Result<Recorded, ExportError> {
    let manifest = manifest(dir)?;
    let text = |key: &str| manifest.get(key).and_then(Value::as_str).unwrap_or_default();
    let target = super::find(text("target")).ok_or_else(|| {
        ExportError::Usage(
            format!("'{}' is of the target '{}', which is not known", dir.display(), text("target")),
            None,
        )
    })?;
    let options = manifest.get("options").cloned().unwrap_or_default();
    let source = |value: &Value| SourceFacts {
        path: word(value, "path").to_owned(),
        format: word(value, "format").to_owned(),
        bytes: value.get("bytes").and_then(Value::as_u64).unwrap_or_default(),
        sha256: word(value, "sha256").to_owned(),
    };
    let mut recorded = Recorded {
        dir: dir.to_owned(),
        target,
        ask: read_ask(&options),
        sources: list(&manifest, "sources").iter().map(source).collect(),
        options,
        files: Vec::new(),
        rows: Vec::new(),
        wanted: BTreeMap::new(),
        asks: BTreeMap::new(),
        problems: Vec::new(),
        compared: 0,
    };
    for other in list(&manifest, "others") {
        recorded.check_digest(word(other, "name"), word(other, "sha256"));
    }
    let mut lines = BTreeMap::new();
    for file in list(&manifest, "files") {
        let name = word(file, "name");
        if recorded.check_digest(name, word(file, "sha256")) {
            recorded.read_rows(name, file, guard, &mut lines);
        }
    }
    recorded.read_provenance(&lines);
    Ok(recorded)
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn manifest(dir: &Path) -> Result<Value, ExportError> {
    let path = dir.join("manifest.json");
    let no = |what: &str| {
        let hint = "name a folder that 'rolltape export' made".to_owned();
        ExportError::Usage(format!("'{}' is no export folder: {what}", dir.display()), Some(hint))
    };
    let bytes = fs::read(&path).map_err(|_| no("it has no manifest.json that can be read"))?;
    let manifest: Value = serde_json::from_slice(&bytes).map_err(|_| no("its manifest.json is not JSON"))?;
    let version = word(&manifest, "schema_version");
    let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major(version) {
        None => Err(no("its manifest.json has no schema version")),
        Some(n) if Some(n) > major(card::SCHEMA) => Err(ExportError::Usage(
            format!(
                "'{}' has schema version {version}; the newest known here is {}",
                dir.display(),
                card::SCHEMA
            ),
            Some("use the rolltape that wrote it, or a newer one".to_owned()),
        )),
        Some(_) => Ok(manifest),
    }
}

fn read_ask(options: &Value) -> Ask {
    let flag = |key: &str| options.get(key).and_then(Value::as_bool).unwrap_or_default();
    Ask {
        calls: match word(options, "calls") {
            "native" => Calls::Native,
            "text" => Calls::Text,
            _ => Calls::Auto,
        },
        think: match word(options, "think") {
            "strip" => Think::Strip,
            "field" => Think::Field,
            _ => Think::Keep,
        },
        drop_frame: word(options, "frame") == "drop",
        split_calls: flag("split_calls"),
        mask_errors: flag("mask_errors"),
    }
}

impl Recorded {
    /// Whether the file is there with its digest; what is not is a problem.
    fn check_digest(&mut self, name: &str, sha256: &str) -> bool {
        // A name of the manifest leads nowhere else.
        let plain = !name.is_empty()
            && Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !plain {
            self.problems.push(format!("the manifest names '{name}', which is no file of the folder"));
            return false;
        }
        match table::digest(&self.dir.join(name)) {
            Ok(found) if found == sha256 => return true,
            Ok(_) => self.problems.push(format!("{name}: its digest is not that of the manifest")),
            Err(error) => {
                self.problems.push(format!("{name}: can't be read: {}", crate::store::io_text(&error)));
            }
        }
        // A changed file is still read, so that all that is wrong is told at once.
        self.dir.join(name).is_file()
    }

    fn read_rows(
        &mut self,
        name: &str,
        file: &Value,
        guard: &Guard,
        lines: &mut BTreeMap<(String, u64), usize>,
    ) {
        let Ok(bytes) = fs::read(self.dir.join(name)) else { return };
        let index = self.files.len();
        self.files.push(name.to_owned());
        let mut spans = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes) {
            spans.push((start, end));
            start = end + 1;
        }
        if start < bytes.len() {
            self.problems.push(format!("{name}: its last line is cut"));
        }
        let rows = file.get("rows").and_then(Value::as_u64).unwrap_or_default();
        if rows != spans.len() as u64 {
            self.problems.push(format!("{name}: it holds {} rows, the manifest says {rows}", spans.len()));
        }
        let table = usize::from(name.contains('/'));
        let found: Vec<Option<String>> = spans
            .par_iter()
            .enumerate()
            .with_min_len(CHUNK / 8)
            .map(|(n, (start, end))| {
                self.line(&bytes[*start..*end], table, guard).map(|what| format!("{name}:{}: {what}", n + 1))
            })
            .collect();
        self.problems.extend(found.into_iter().flatten());
        for (n, (start, end)) in spans.into_iter().enumerate() {
            lines.insert((name.to_owned(), n as u64 + 1), self.rows.len());
            let split = word(file, "split").to_owned();
            self.rows.push(RowRef { file: index, offset: start as u64, len: end - start, split });
        }
    }

    /// What is wrong with a line.
    fn line(&self, line: &[u8], table: usize, guard: &Guard) -> Option<String> {
        let Ok(mut row) = serde_json::from_slice::<Value>(line) else { return Some("no JSON".to_owned()) };
        let read = (self.target.read)(table, &row);
        let mut leaks: Vec<Leak> = Vec::new();
        guard.value(&mut row, &String::new, &mut leaks);
        match (leaks.first(), read) {
            (Some(leak), _) => Some(format!("holds a secret: {} {}", leak.kind, leak.label)),
            (None, Err(what)) => Some(what),
            (None, Ok(_)) => None,
        }
    }

    fn read_provenance(&mut self, lines: &BTreeMap<(String, u64), usize>) {
        let text = fs::read_to_string(self.dir.join("provenance.jsonl")).unwrap_or_default();
        let mut tasks: BTreeMap<String, String> = BTreeMap::new();
        let mut told = 0;
        for (n, line) in text.lines().enumerate() {
            let Ok(origin) = serde_json::from_str::<Value>(line) else {
                self.problems.push(format!("provenance.jsonl:{}: no JSON", n + 1));
                continue;
            };
            let number = origin.get("row").and_then(Value::as_u64).unwrap_or_default();
            let Some(&row) = lines.get(&(word(&origin, "file").to_owned(), number)) else {
                self.problems.push(format!("provenance.jsonl:{}: there is no such row", n + 1));
                continue;
            };
            told += 1;
            let bytes = self.bytes(row).unwrap_or_default();
            if sha256_hex(&bytes) != word(&origin, "sha256") {
                self.problems.push(format!(
                    "{}:{number}: the row is not the one that was written",
                    word(&origin, "file")
                ));
            }
            let (task, split) = (word(&origin, "task").to_owned(), self.rows[row].split.clone());
            let first = tasks.entry(task.clone()).or_insert_with(|| split.clone());
            if *first != split {
                self.problems.push(format!("the task '{task}' stands in {first} and in {split}"));
            }
            for (part, of) in list(&origin, "of").iter().enumerate() {
                let number = |key: &str| of.get(key).and_then(Value::as_u64).unwrap_or_default() as usize;
                let key = (number("source"), word(of, "id").to_owned());
                self.wanted.entry(key).or_default().push(Want { row, part, turns: number("turns") });
            }
        }
        if told != self.rows.len() {
            self.problems
                .push(format!("provenance.jsonl tells of {told} rows, there are {}", self.rows.len()));
        }
    }

    fn bytes(&self, row: usize) -> Option<Vec<u8>> {
        let at = &self.rows[row];
        let file = File::open(self.dir.join(&self.files[at.file])).ok()?;
        let mut bytes = vec![0; at.len];
        file.read_exact_at(&mut bytes, at.offset).ok()?;
        Some(bytes)
    }

    /// Compares rows with trajectories of their sources, read anew.
    pub fn compare(&mut self, entries: Vec<Entry>, guard: &Guard) {
        let mine = &*self;
        let results: Vec<_> = entries
            .into_par_iter()
            .filter_map(|entry| {
                let mut id = entry.meta.id.clone();
                guard.text(&mut id, &String::new, &mut Vec::new());
                let key = (entry.meta.source, id);
                let wants = mine.wanted.get(&key)?;
                Some((mine.same(&entry, wants, guard), key))
            })
            .collect();
        for (result, key) in results {
            let wants = self.wanted.remove(&key).unwrap_or_default();
            self.compared += wants.len() as u64;
            match result {
                Ok((ask, problems)) => {
                    self.problems.extend(problems);
                    for want in &wants {
                        let split = self.rows[want.row].split.clone();
                        let first = self.asks.entry(ask.clone()).or_insert_with(|| split.clone());
                        if *first != split {
                            self.problems
                                .push(format!("a prompt stands in {first} and in {split}: '{}'", key.1));
                        }
                    }
                }
                Err(what) => self.problems.push(what),
            }
        }
    }

    /// Digest of what is asked, and how the rows differ from their source.
    fn same(&self, entry: &Entry, wants: &[Want], guard: &Guard) -> Result<(String, Found), String> {
        let place = &entry.meta.place;
        let trajectory = entry.trajectory.as_ref().map_err(|what| format!("{place}: {what}"))?;
        let (mut dialogue, _) = convert::dialogue(trajectory, &self.ask, &entry.broken)
            .map_err(|reject| format!("{place}: gives no row any more: {}", reject.text))?;
        guard.dialogue(&mut dialogue, place, &mut Vec::new());
        let turns = (self.target.as_read)(&dialogue).map_err(|reject| format!("{place}: {}", reject.text))?;
        let mut problems = Vec::new();
        for want in wants {
            let at = &self.rows[want.row];
            let name = &self.files[at.file];
            let row = self.bytes(want.row).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            let read = row.map(|row| (self.target.read)(usize::from(name.contains('/')), &row));
            let Some(Ok(read)) = read else { continue };
            let read = read.get(want.part).map_or(&[][..], Vec::as_slice);
            let source = turns.get(..want.turns).unwrap_or(&[]);
            let same = read.len() == source.len()
                && read.iter().zip(source).all(|(one, other)| equal(one, other, self.target.masks));
            if !same || source.is_empty() {
                problems.push(format!("{name}: a row is not what {place} says"));
            }
        }
        Ok((ask_digest(&dialogue), problems))
    }

    /// A problem that the caller found.
    pub fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// What came of it.
    pub fn end(mut self) -> Verified {
        let more = self.problems.len().saturating_sub(TOLD);
        self.problems.truncate(TOLD);
        if more > 0 {
            self.problems.push(format!("and {more} more"));
        }
        Verified {
            rows: self.rows.len() as u64,
            compared: self.compared,
            missing: self.wanted.values().map(|wants| wants.len() as u64).sum(),
            problems: self.problems,
        }
    }
}

/// A turn that was read back against the source's: what the target does not hold is not asked for.
fn equal(read: &Turn, source: &Turn, masks: bool) -> bool {
    let ids = |turn: &Turn| turn.calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>();
    let kept = read.calls.iter().all(|call| call.id.is_empty()) || ids(read) == ids(source);
    let answers = read.call_id.is_none() || read.call_id == source.call_id;
    let learned = !masks || read.role != Role::Assistant || read.train == source.train;
    read.says_the_same(source) && kept && answers && learned
}
