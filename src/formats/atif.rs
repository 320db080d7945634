//! `atif`: the Agent Trajectory Interchange Format. Read in v1.0 to v1.8, written in v1.8.
//!
//! Invariant: what is written passes the format's own validator, and reading it back gives the same
//! trajectory (origin and places apart). What ATIF has no field for goes under `extra.rolltape` of
//! that level: see [`EXTRA`]. Source: the validator of harbor 0.25, `harbor/models/trajectories`.

mod members;
mod metrics;
mod parts;
mod read;
mod write;

use super::{Format, Reader, Sniff, Source, Writer, record};
use crate::util::json::View;

pub use write::{line, value};

pub(super) use read::trajectory;

/// The key of `extra` under which our own fields stand.
pub(super) const EXTRA: &str = "rolltape";

pub(super) static ITEM: Format = Format {
    name: "atif",
    about: "Agent Trajectory Interchange Format v1.0 to v1.8: JSON, or one trajectory a line",
    sniff,
    marks: &[&[
        "schema_version=^ATIF-",
        "steps",
        "steps[].step_id",
        "steps[].source=system|user|agent",
        "steps[].message",
        "agent.name",
        "session_id|trajectory_id",
    ]],
    read: Reader::Records(read::trajectory),
    folder: None,
    write: Some(Writer::Lines(|trajectory, _| write::line(trajectory).into_bytes())),
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let version = record.get("schema_version").and_then(View::text);
    let steps = record.get("steps").is_some_and(View::is_array);
    match version {
        Some(version) if version.starts_with("ATIF-") => Sniff::new(100, ""),
        _ if steps && record.get("agent").is_some() => Sniff::new(70, ""),
        Some(version) => Sniff::new(0, format!("has the \"schema_version\" '{version}'")),
        None => Sniff::new(0, "has no \"schema_version\" that begins with ATIF-"),
    }
}

/// Reads one trajectory, as [`line()`] writes it. The error is a clause that says what is wrong.
pub fn read_line(line: &[u8], path: &str) -> Result<crate::model::Trajectory, String> {
    let read = record::one(&Source::new(path, line), "atif", read::trajectory);
    match (read.trajectories.into_iter().next(), read.errors.into_iter().next()) {
        (Some(trajectory), _) => Ok(trajectory),
        (None, Some(error)) => Err(error.message),
        (None, None) => Err("it is empty".to_owned()),
    }
}
