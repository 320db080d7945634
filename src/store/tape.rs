//! The seam to the formats of trajectory and cassette lines.

use crate::model::{CassetteLine, Trajectory};

// Until the ATIF writer and the cassette's wire land, within the hour, the lines are empty objects.

/// One line of `trajectories.jsonl`, without the newline.
pub(super) fn trajectory_line(_trajectory: &Trajectory) -> String {
    "{}".to_owned()
}

/// Reads what [`trajectory_line`] writes.
pub(super) fn read_trajectory(_line: &[u8], _path: &str) -> Result<Trajectory, String> {
    Err("this build has no ATIF reader".to_owned())
}

/// One line of `cassette.jsonl`, without the newline.
pub(super) fn cassette_line(line: &CassetteLine) -> String {
    crate::backend::wire::line_to_json(line)
}
