//! One finding a row, for spreadsheets; text that a spreadsheet would run is guarded, numbers stay numbers.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::report::guard;
use crate::util::text::{name, one_line, unmarked};
use std::io::{self, Write};

pub(super) static ITEM: Output = Output { name: "csv", about: "one finding a row, for spreadsheets", render };

const COLUMNS: [&str; 15] = [
    "path",
    "trajectory",
    "line",
    "column",
    "end_line",
    "end_column",
    "severity",
    "rule",
    "name",
    "readings",
    "step",
    "message",
    "byte_start",
    "byte_end",
    "text",
];

fn render(checked: &Checked, _: &Plan, _: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    for item in checked.items.iter() {
        writer.write_record(row(&item?, checked))?;
    }
    writer.flush()
}

fn row(item: &Item, checked: &Checked) -> [String; 15] {
    let finding = &item.finding;
    let number = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
    let readings: Vec<String> = finding.readings.iter().map(ToString::to_string).collect();
    let start = finding.location.as_ref();
    [
        guard(name(&item.path).into()).into_owned(),
        number(checked.judged.get(item.judged).map(|judged| judged.number as u64)),
        number(start.map(|place| place.line)),
        number(start.map(|place| place.column)),
        number(item.end.as_ref().map(|place| place.line)),
        number(item.end.as_ref().map(|place| place.column)),
        finding.severity.as_str().to_owned(),
        finding.rule.to_owned(),
        finding.name.to_owned(),
        readings.join(" "),
        number(finding.step),
        number(finding.message),
        number(finding.span.map(|span| span.start as u64)),
        number(finding.span.map(|span| span.end as u64)),
        guard(unmarked(&one_line(&finding.text))).into_owned(),
    ]
}
