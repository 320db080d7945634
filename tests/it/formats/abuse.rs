//! Bad input for any reader, made from one good sample, and the ways there and back for readers and writers.
//!
//! [`abuse`] cuts the sample at each byte, spoils each byte, puts a value of another type in the place of each
//! JSON value, and an unknown key into each object. What comes out must never be silence: a value that the reader
//! does not understand is found among the facts, or an error or a warning is given.

#![allow(dead_code, reason = "a tool box: a tool may wait for its first user")]

use rolltape::formats::{
    self, Changes, DetectError, Fact, Loss, ReadOutput, Writer, atif_lines, facts, loss,
};
use rolltape::model::Trajectory;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A text that stands in no sample.
const MARK: &str = "zq-was-here";
/// A number that stands in no sample.
const NUMBER: u64 = 987_654_321_987;

/// A good sample of a format.
pub(super) struct Abuse<'a> {
    /// The format's name.
    pub name: &'a str,
    /// The files of one input: one, or those of a folder.
    pub files: Vec<(String, Vec<u8>)>,
    /// Members that are structure alone, so that the reader need not keep or report a strange value: paths of keys
    /// with dots, list indices left out, of which the end suffices (`tool_calls.type`).
    pub structure: &'a [&'a str],
}

/// All bad input that can be made of a sample in one file.
pub(super) fn abuse(name: &str, sample: &[u8]) {
    Abuse { name, files: vec![("x".to_owned(), sample.to_vec())], structure: &[] }.run();
}

impl Abuse<'_> {
    /// Makes all of it.
    pub(super) fn run(&self) {
        self.good();
        self.nothing_in_it();
        for file in 0..self.files.len() {
            self.cut(file);
            self.spoil(file);
            self.wrong_types(file);
            self.unknown_keys(file);
        }
    }

    /// Other values and unknown keys alone: for more samples of a format whose bytes were cut and spoilt already.
    pub(super) fn values(&self) {
        self.good();
        for file in 0..self.files.len() {
            self.wrong_types(file);
            self.unknown_keys(file);
        }
    }

    fn good(&self) {
        let good = Self::read_detected(&self.files).expect("the sample is read");
        assert_eq!((good.format, good.errors.as_slice()), (self.name, [].as_slice()), "{:?}", good.warnings);
        assert!(!good.trajectories.is_empty(), "{}: the sample holds a trajectory", self.name);
        good.trajectories.iter().for_each(comes_back);
    }

    fn read_detected(files: &[(String, Vec<u8>)]) -> Result<ReadOutput, DetectError> {
        formats::read_files(files, None)
    }

    fn read(&self, files: &[(String, Vec<u8>)]) -> Result<ReadOutput, DetectError> {
        formats::read_files(files, Some(self.name))
    }

    /// The files, one of them with other bytes.
    fn with(&self, file: usize, bytes: Vec<u8>) -> Vec<(String, Vec<u8>)> {
        let mut files = self.files.clone();
        files[file].1 = bytes;
        files
    }

    /// What comes of other bytes in one file; it is never silence, whether the format is named or not.
    fn try_one(&self, file: usize, bytes: Vec<u8>, what: &str) -> Option<ReadOutput> {
        let files = self.with(file, bytes);
        if let Ok(output) = Self::read_detected(&files) {
            spoken(&output, what);
        }
        let output = self.read(&files).ok()?;
        spoken(&output, what);
        Some(output)
    }

    fn nothing_in_it(&self) {
        for bytes in ["", "\n", " ", "null", "[]", "{}", "[{}]", "7", "\"x\"", "\u{feff}", "{", "[", "-"] {
            for file in 0..self.files.len() {
                self.try_one(file, bytes.as_bytes().to_vec(), &format!("{}: {bytes:?}", self.name));
            }
        }
    }

    /// Cut at each byte; lines before a cut are read as if the file ended there.
    fn cut(&self, file: usize) {
        let bytes = &self.files[file].1;
        let lines = json_lines(bytes).is_some_and(|lines| lines.len() > 1);
        let mut whole: Option<Vec<String>> = None;
        for cut in 0..bytes.len() {
            let what = format!("{}: file {file} cut at byte {cut}", self.name);
            let output = self.try_one(file, bytes[..cut].to_vec(), &what);
            if !lines {
                continue;
            }
            if cut > 0 && bytes[cut - 1] == b'\n' {
                whole = output.filter(|output| output.errors.is_empty()).map(|output| all_facts(&output));
            } else if let (Some(whole), Some(output)) = (&whole, output) {
                let now = all_facts(&output);
                let gone = without(whole, &now);
                assert!(gone.is_empty(), "{what}: whole lines before the cut lost {gone:?}");
            }
        }
    }

    fn spoil(&self, file: usize) {
        let bytes = &self.files[file].1;
        for at in 0..bytes.len() {
            for byte in [0, b'"', b'{', b'\n', 0xff] {
                let mut bad = bytes.clone();
                bad[at] = byte;
                if let Ok(output) = self.read(&self.with(file, bad)) {
                    spoken(&output, &format!("{}: file {file} byte {at} is {byte}", self.name));
                }
            }
        }
    }

    /// Each value becomes one of another type; what is not understood is kept or said.
    fn wrong_types(&self, file: usize) {
        let Some(records) = json_lines(&self.files[file].1) else { return };
        let others = [
            (Value::Null, None),
            (json!(true), None),
            (json!(-0.5), None),
            (json!([]), None),
            (json!({}), None),
            (json!(NUMBER), Some(NUMBER.to_string())),
            (json!(MARK), Some(MARK.to_owned())),
            (json!([MARK]), Some(MARK.to_owned())),
            (json!([{ MARK: MARK }]), Some(MARK.to_owned())),
            (json!({ MARK: MARK }), Some(MARK.to_owned())),
        ];
        let mut lost = BTreeMap::new();
        for (n, record) in records.iter().enumerate() {
            for path in paths(record) {
                for (other, mark) in &others {
                    let mut spoiled = records.clone();
                    *spoiled[n].pointer_mut(&path).expect("the place") = other.clone();
                    let what = format!("{}: file {file} record {n} {path} is {other}", self.name);
                    let Some(output) = self.try_one(file, printed(&spoiled), &what) else { continue };
                    let Some(mark) = mark.as_ref().filter(|_| !self.is_structure(&path)) else { continue };
                    let said = !output.errors.is_empty() || !output.warnings.is_empty();
                    if !said && !holds(&output, mark) {
                        lost.entry(path.clone()).or_insert(what);
                    }
                }
            }
        }
        let lost: Vec<String> = lost.into_values().collect();
        assert!(lost.is_empty(), "neither kept nor said: {lost:#?}");
    }

    /// Every object gets a key that nobody knows; all of them are kept, and the way through ATIF keeps them.
    fn unknown_keys(&self, file: usize) {
        let Some(mut records) = json_lines(&self.files[file].1) else { return };
        let mut marks = BTreeMap::new();
        for (n, record) in records.iter_mut().enumerate() {
            mark_objects(record, &mut format!("record {n}"), &mut marks);
        }
        let files = self.with(file, printed(&records));
        let output = self.read(&files).expect("unknown keys are no reason to refuse a file");
        assert_eq!(output.errors, [], "{}: file {file} with unknown keys", self.name);
        let lost: Vec<&String> = marks
            .iter()
            .filter(|(mark, path)| !self.is_structure(path) && !holds(&output, mark))
            .map(|(_, path)| path)
            .collect();
        assert!(lost.is_empty(), "{}: file {file}: unknown keys are lost in {lost:?}", self.name);
        output.trajectories.iter().for_each(comes_back);
    }

    fn is_structure(&self, path: &str) -> bool {
        let keys = path.split('/').filter(|part| !part.is_empty() && part.parse::<usize>().is_err());
        let path = format!(".{}", keys.collect::<Vec<_>>().join("."));
        self.structure.iter().any(|end| path.ends_with(&format!(".{end}")))
    }
}

fn spoken(output: &ReadOutput, what: &str) {
    let silent = output.trajectories.is_empty() && output.errors.is_empty() && output.warnings.is_empty();
    assert!(!silent, "{what}: nothing came out, and nothing was said");
}

/// The JSON values of a file: one, or one a line; `None` if it is no JSON.
fn json_lines(bytes: &[u8]) -> Option<Vec<Value>> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Some(vec![value]);
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

fn printed(records: &[Value]) -> Vec<u8> {
    records.iter().map(|record| format!("{record}\n")).collect::<String>().into_bytes()
}

/// JSON pointers to the value and to all values inside.
fn paths(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    match value {
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                found.extend(paths(item).into_iter().map(|path| format!("/{n}{path}")));
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                found.extend(paths(item).into_iter().map(|path| format!("/{key}{path}")));
            }
        }
        _ => {}
    }
    found
}

fn mark_objects(value: &mut Value, path: &mut String, marks: &mut BTreeMap<String, String>) {
    let length = path.len();
    match value {
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("/{n}"));
                mark_objects(item, path, marks);
                path.truncate(length);
            }
        }
        Value::Object(members) => {
            for (key, item) in members.iter_mut() {
                path.push_str(&format!("/{key}"));
                mark_objects(item, path, marks);
                path.truncate(length);
            }
            let mark = format!("{MARK}-{}.", marks.len());
            members.insert("zq_unknown".to_owned(), mark.clone().into());
            marks.insert(mark, path.clone());
        }
        _ => {}
    }
}

fn holds(output: &ReadOutput, mark: &str) -> bool {
    output.trajectories.iter().any(|trajectory| {
        facts(trajectory).iter().any(|fact| fact.value.contains(mark) || fact.field.contains(mark))
    })
}

fn all_facts(output: &ReadOutput) -> Vec<String> {
    output.trajectories.iter().flat_map(bare_facts).collect()
}

/// Facts without their steps.
pub(super) fn bare_facts(trajectory: &Trajectory) -> Vec<String> {
    facts(trajectory).iter().map(|fact: &Fact<'_>| format!("{}: {}", fact.field, fact.value)).collect()
}

/// Entries of the first list that the second lacks.
fn without(list: &[String], other: &[String]) -> Vec<String> {
    let other: BTreeSet<&String> = other.iter().collect();
    list.iter().filter(|entry| !other.contains(entry)).cloned().collect()
}

/// A trajectory that is written as ATIF and read again says the same, in the same order.
pub(super) fn comes_back(trajectory: &Trajectory) {
    let line = atif_lines::line(trajectory);
    let output = formats::read_bytes("x", line.as_bytes(), Some("atif")).expect("ATIF is read");
    assert_eq!(output.errors, [], "{line:.2000}");
    let [again] = output.trajectories.as_slice() else { panic!("one trajectory of {line:.2000}") };
    let (before, after) = (bare_facts(trajectory), bare_facts(again));
    if before != after {
        let (gone, made) = (without(&before, &after), without(&after, &before));
        panic!("{}: ATIF loses {gone:#?} and makes {made:#?}", trajectory.origin.path);
    }
}

/// Writes a trajectory in a format: its files, and what the writer had to change.
pub(super) fn written(name: &str, trajectory: &Trajectory) -> (Vec<(String, Vec<u8>)>, Changes) {
    let mut changes = Changes::default();
    let format = formats::find(name).expect("the format");
    let one = |bytes: Vec<u8>| vec![("x".to_owned(), bytes)];
    let files = match format.write.expect("the format is written") {
        Writer::Lines(write) => one(write(trajectory, &mut changes)),
        Writer::Document { write, .. } => one(write(trajectory, &mut changes)),
        Writer::Collection { write, .. } => {
            one(write(std::slice::from_ref(trajectory), std::slice::from_mut(&mut changes)))
        }
        Writer::Folder(write) => {
            let files = write(trajectory, &mut changes).into_iter();
            files.map(|file| (format!("folder/{}", file.name), file.bytes)).collect()
        }
    };
    (files, changes)
}

/// Writes a trajectory in a format and reads it again: what came back, and what was lost. The file is told by its
/// content, and nothing is said about it.
pub(super) fn there_and_back(name: &str, trajectory: &Trajectory) -> (Trajectory, Loss) {
    let (files, changes) = written(name, trajectory);
    let mut output = formats::read_files(&files, None).expect("what was written is read");
    assert_eq!((output.format, &output.errors, &output.warnings), (name, &vec![], &vec![]));
    assert_eq!(output.trajectories.len(), 1, "{name}: one trajectory is written, one is read");
    let again = output.trajectories.remove(0);
    let report = loss(trajectory, &again, &changes);
    (again, report)
}
