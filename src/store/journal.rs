//! Reads the journal as it lies on disk, good or bad.
//!
//! Invariant: no bad byte loses a good record: a torn tail is dropped, a bad line in the middle is
//! reported, everything else is kept.

use super::wire;
use crate::model::{AttemptId, AttemptRecord, Outcome};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// All good records in file order, each with its byte offset.
    pub(super) records: Vec<(u64, AttemptRecord)>,
    /// What was wrong, in file order.
    pub(super) warnings: Vec<String>,
    /// Bytes up to the torn tail.
    pub(super) valid: u64,
    /// Whether the last warning is of a torn tail, as every death of the harness may leave it.
    pub(super) torn: bool,
}

/// Reads a journal; `name` names it in warnings.
pub(super) fn read(name: &str, source: impl Read) -> io::Result<Journal> {
    let mut reader = BufReader::with_capacity(1 << 16, source);
    let mut out = Journal::default();
    // A bad line stays open until a later line shows that it is not the tail.
    let mut open: Option<(u64, u64, String)> = None;
    let (mut offset, mut number) = (0_u64, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            break;
        }
        number += 1;
        let whole = line.last() == Some(&b'\n');
        if whole {
            line.pop();
        }
        // A block that the file system never filled; what follows it on the line may be whole.
        let zeros = line.iter().take_while(|byte| **byte == 0).count();
        let parsed = match (whole, std::str::from_utf8(&line[zeros..])) {
            (false, _) => Err("it was cut off".to_owned()),
            (true, Err(error)) => {
                Err(format!("it is not UTF-8 from byte {} on", offset + (zeros + error.valid_up_to()) as u64))
            }
            (true, Ok("")) if zeros > 0 => Err("it is a block of NUL bytes".to_owned()),
            (true, Ok("")) => Err("it is empty".to_owned()),
            (true, Ok(text)) => wire::decode(text),
        };
        if let Some((at, number, what)) = open.take() {
            out.warnings.push(format!("{name}:{number}: the record at byte {at} is left out: {what}"));
        }
        match parsed {
            Ok(record) => {
                if zeros > 0 {
                    out.warnings
                        .push(format!("{name}:{number}: {zeros} NUL bytes at byte {offset} are skipped"));
                }
                out.records.push((offset, record));
                out.valid = offset + read;
            }
            Err(what) => open = Some((offset, number, what)),
        }
        offset += read;
    }
    if let Some((at, number, what)) = open {
        out.torn = true;
        out.warnings.push(format!(
            "{name}:{number}: the torn tail from byte {at} on ({} bytes) is dropped: {what}",
            offset - at
        ));
    }
    Ok(out)
}

/// The last try of each attempt, in plan order; a second record of the same try wins and is told.
pub(super) fn last_tries(name: &str, journal: Journal) -> (Vec<AttemptRecord>, Vec<String>) {
    let Journal { records, mut warnings, .. } = journal;
    let mut last: BTreeMap<AttemptId, AttemptRecord> = BTreeMap::new();
    for (offset, record) in records {
        match last.get(&record.id) {
            Some(old) if old.try_n > record.try_n => continue,
            // A cancelled attempt is done again by a resume, as the same try.
            Some(old) if old.try_n == record.try_n && old.outcome != Outcome::Cancelled => {
                warnings.push(format!(
                    "{name}: try {} of '{}' stands there twice; the one at byte {offset} counts",
                    record.try_n, record.id
                ));
            }
            _ => {}
        }
        last.insert(record.id.clone(), record);
    }
    let mut records: Vec<AttemptRecord> = last.into_values().collect();
    records.sort_by(|a, b| (a.seq, &a.id).cmp(&(b.seq, &b.id)));
    (records, warnings)
}
