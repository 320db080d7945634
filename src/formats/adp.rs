//! `adp`: the Agent Data Protocol's standard form: typed actions and observations.
//!
//! Source: `schema/` of neulab/agent-data-protocol, versions without a number (2025) to 1.3; what its models refuse
//! ([mod@write]) is never written. Its training form is ShareGPT, and read as that.

mod read;
mod write;

use super::{Format, Reader, Sniff, Source, Writer};
use crate::util::json::View;

pub(super) static ITEM: Format = Format {
    name: "adp",
    about: "Agent Data Protocol, standard form: a list of typed actions and observations",
    sniff,
    marks: &[&["content", "content[].class_", "content[].source", "id", "details"]],
    read: Reader::Records(read::convert),
    folder: None,
    write: Some(Writer::Lines(write::line)),
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let Some(content) = record.get("content").filter(|content| content.is_array()) else {
        return Sniff::new(0, "has no list of \"content\"");
    };
    let typed = |item: View<'_>| item.get("class_").is_some();
    match content.items().next() {
        Some(first) if typed(first) => Sniff::new(95, ""),
        Some(_) if content.items().any(typed) => Sniff::new(60, "has a first item without a \"class_\""),
        Some(_) => Sniff::new(0, "has \"content\" without a \"class_\""),
        None if record.get("details").is_some() => Sniff::new(70, "has an empty list of \"content\""),
        None => Sniff::new(30, "has an empty list of \"content\" and no \"details\""),
    }
}
