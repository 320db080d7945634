//! `rolltape-run`: a run folder. Its `trajectories.jsonl` is ATIF, one trajectory a line; the other
//! files of the folder are not trajectories and are never read here (see [`super::plan()`]).

use super::{Format, ReadOutput, Sniff, Source, atif};

pub(super) const NAME: &str = "rolltape-run";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "a run folder of rolltape: its trajectories.jsonl",
    sniff: |_| Sniff::new(0, "is a folder with run.json and trajectories.jsonl"),
    read: |source: &Source<'_>| -> ReadOutput {
        let mut output = atif::read(source);
        output.format = NAME;
        output
    },
    write: None,
};
