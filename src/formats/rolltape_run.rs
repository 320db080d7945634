//! `rolltape-run`: a run folder. Its `trajectories.jsonl` is ATIF, one trajectory a line; the other
//! files of the folder are not trajectories and are never read here (see [`super::plan()`]).

use super::{Folder, Format, Group, ReadOutput, Reader, Sniff, Source, atif, record};
use std::collections::BTreeMap;

const NAME: &str = "rolltape-run";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "a run folder of rolltape: its trajectories.jsonl",
    sniff: |_| Sniff::new(0, "is a folder with run.json and trajectories.jsonl"),
    marks: &[],
    read: Reader::Records(atif::trajectory),
    folder: Some(Folder { claim, confirm: |_| true, read }),
    write: None,
};

const TRAJECTORIES: &str = "trajectories.jsonl";

/// Everything under a folder that holds `run.json` and `trajectories.jsonl`.
fn claim(paths: &[&str]) -> Vec<Group> {
    let mut marks: BTreeMap<&str, u8> = BTreeMap::new();
    for path in paths {
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        match name {
            "run.json" => *marks.entry(folder).or_default() |= 1,
            TRAJECTORIES => *marks.entry(folder).or_default() |= 2,
            _ => {}
        }
    }
    let runs: Vec<&str> =
        marks.into_iter().filter(|(_, mark)| *mark == 3).map(|(folder, _)| folder).collect();
    let mut groups = vec![Group::default(); runs.len()];
    for (index, path) in paths.iter().enumerate() {
        // A run inside another run's folder is a part of the outer one.
        let Some(run) = runs.iter().position(|run| path.starts_with(run)) else { continue };
        if path.strip_prefix(runs[run]) == Some(TRAJECTORIES) {
            groups[run].files.push(index);
        } else {
            groups[run].beside.push(index);
        }
    }
    groups.retain(|group| !group.files.is_empty());
    groups
}

fn read(sources: &[Source<'_>]) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    for source in sources {
        output.append(record::read(source, NAME, atif::trajectory));
    }
    output
}
