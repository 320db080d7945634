//! What the recorder of a run still knows of it, so that its reports need not read all of it again.
//!
//! Invariant: it is what lies on disk, value for value, and says nothing of a run that is not wholly its own: a
//! resumed run, and one whose disk failed, are read from their files.

use super::RunView;
use crate::model::{AttemptRecord, RunManifest, Trajectory};
use std::path::Path;
use std::sync::Arc;

/// Bytes of trajectory lines that are remembered; the parsed form takes a few times as much.
const REMEMBERED: u64 = 2 << 20;

/// Trajectories by the offset of their line. Any of them may be missing: the file has them all.
///
/// Two are always equal, for what they hold is in the files of the run.
#[derive(Debug, Clone, Default)]
pub struct Remembered(Arc<Vec<(u64, Trajectory)>>);

impl PartialEq for Remembered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Remembered {
    /// The trajectory whose line begins at `offset`, if it is remembered.
    pub(super) fn at(&self, offset: u64) -> Option<&Trajectory> {
        // They stand in the order of the file.
        let at = self.0.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        Some(&self.0[at].1)
    }
}

/// A run on its way to disk.
#[derive(Debug)]
pub(super) struct Kept {
    manifest: RunManifest,
    records: Vec<AttemptRecord>,
    trajectories: Vec<(u64, Trajectory)>,
    bytes: u64,
    /// Whether a trajectory stands in its file alone.
    forgot: bool,
}

impl Kept {
    /// The run began here; room is made for `expected` attempts.
    pub(super) fn begin(manifest: RunManifest, expected: usize) -> Self {
        let trajectories = Vec::with_capacity(expected);
        Self { manifest, records: Vec::new(), trajectories, bytes: 0, forgot: false }
    }

    /// Whether the files need not be read for any of it.
    pub(super) fn has_all(&self) -> bool {
        !self.forgot
    }

    /// Remembers a trajectory if there is room; its line takes `len` bytes.
    pub(super) fn trajectory(&mut self, offset: u64, len: u64, trajectory: Trajectory) {
        if self.bytes + len <= REMEMBERED {
            self.bytes += len;
            self.trajectories.push((offset, trajectory));
        } else {
            self.forgot = true;
        }
    }

    /// Takes records that count from now on.
    pub(super) fn records(&mut self, records: &mut Vec<AttemptRecord>) {
        if self.records.is_empty() {
            std::mem::swap(&mut self.records, records);
        } else {
            self.records.append(records);
        }
    }

    /// The run as [`super::open`] would read it; `None` if only the files can tell.
    pub(super) fn into_view(self, dir: &Path) -> Option<RunView> {
        let Self { manifest, mut records, trajectories, .. } = self;
        // They are large: each is moved once, and not with each step of the sorting.
        records.sort_by_cached_key(|record| record.seq);
        let twice = records.windows(2).any(|pair| pair[0].id == pair[1].id);
        if twice || !records.iter().all(is_finite) {
            return None;
        }
        Some(RunView {
            dir: dir.to_owned(),
            manifest,
            records,
            warnings: Vec::new(),
            remembered: Remembered(Arc::new(trajectories)),
        })
    }
}

/// Whether each number of a record can be written: JSON has no others.
fn is_finite(record: &AttemptRecord) -> bool {
    let money = [record.reward, record.cost_usd, record.usage.cost_usd, Some(record.spent_usd)];
    let scores = record.scores.iter().flat_map(|score| [score.value, Some(score.weight)]);
    money.into_iter().chain(scores).flatten().all(f64::is_finite)
}
