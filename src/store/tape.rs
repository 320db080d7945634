//! The seam to the formats of trajectory and cassette lines.

use crate::formats;
use crate::model::{CassetteLine, Trajectory};

/// One line of `trajectories.jsonl`, without the newline: ATIF.
pub(super) fn trajectory_line(trajectory: &Trajectory) -> String {
    formats::atif_lines::line(trajectory)
}

/// Reads what [`trajectory_line`] writes. The error is a clause that says what is wrong.
pub(super) fn read_trajectory(line: &[u8], path: &str) -> Result<Trajectory, String> {
    formats::atif_lines::read_line(line, path)
}

/// One line of `cassette.jsonl`, without the newline.
pub(super) fn cassette_line(line: &CassetteLine) -> String {
    crate::backend::wire::line_to_json(line)
}
