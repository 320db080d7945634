//! The rows of a data set's file, each with its line.

use super::csv::{Csv, Slip};
use crate::model::Object;
use serde_json::Value;
use serde_json::value::RawValue;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Line on which it starts, from 1.
    pub(super) line: u64,
    /// Number in the file, from 1.
    pub(super) number: u64,
    /// Columns.
    pub(super) fields: Object,
}

/// Endings of the files that can be read.
pub(crate) const ENDINGS: [&str; 5] = [".jsonl", ".ndjson", ".json", ".csv", ".tsv"];

/// Reads at most `most` rows of a file, by the ending of its name; what is wrong beside what is right.
pub(super) fn read(name: &str, text: &str, most: usize) -> (Vec<Row>, Vec<Slip>) {
    let mut out = Out { rows: Vec::new(), slips: Vec::new(), most };
    match name.rsplit('.').next() {
        Some("csv") => out.table(text, ','),
        Some("tsv") => out.table(text, '\t'),
        Some("json") => out.array(text),
        _ => out.lines(text),
    }
    (out.rows, out.slips)
}

struct Out {
    rows: Vec<Row>,
    slips: Vec<Slip>,
    most: usize,
}

impl Out {
    fn full(&self) -> bool {
        self.rows.len() >= self.most
    }

    fn slip(&mut self, line: u64, message: impl Into<String>) {
        self.slips.push(Slip { line, message: message.into() });
    }

    fn row(&mut self, line: u64, fields: Object) {
        self.rows.push(Row { line, number: self.rows.len() as u64 + 1, fields });
    }

    fn lines(&mut self, text: &str) {
        for (index, content) in text.split('\n').enumerate() {
            if self.full() {
                return;
            }
            if content.trim().is_empty() {
                continue;
            }
            let line = index as u64 + 1;
            match serde_json::from_str::<Value>(content) {
                Ok(value) => self.value(line, value, "the line"),
                Err(error) => self.slip(line, format!("the line is not JSON: {}", reason(&error))),
            }
        }
    }

    fn array(&mut self, text: &str) {
        let items: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(items) => items,
            Err(error) => {
                let line = (error.line() as u64).max(1);
                return self.slip(line, format!("the file is not a JSON list of rows: {}", reason(&error)));
            }
        };
        let (mut line, mut seen) = (1, 0);
        for item in items {
            if self.full() {
                return;
            }
            // The items are slices of the text, so how far apart they are tells the lines between them.
            let at = item.get().as_ptr().addr() - text.as_ptr().addr();
            line += text.as_bytes()[seen..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            seen = at;
            match serde_json::from_str(item.get()) {
                Ok(value) => self.value(line, value, "the row"),
                Err(error) => self.slip(line, format!("the row is not JSON: {}", reason(&error))),
            }
        }
    }

    fn value(&mut self, line: u64, value: Value, what: &str) {
        let kind = match value {
            Value::Object(fields) => return self.row(line, fields),
            Value::Array(_) => "a list",
            Value::String(_) => "a string",
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Null => "null",
        };
        self.slip(line, format!("{what} is {kind}, not an object with columns"));
    }

    fn table(&mut self, text: &str, delimiter: char) {
        let mut csv = Csv::new(text, delimiter);
        let header = match csv.next() {
            None => return,
            Some(Err(slip)) => return self.slips.push(slip),
            Some(Ok((line, header))) => {
                for (index, name) in header.iter().enumerate() {
                    if name.trim().is_empty() {
                        self.slip(line, format!("column {} of the header has no name", index + 1));
                    } else if header[..index].contains(name) {
                        self.slip(line, format!("two columns of the header are named '{name}'"));
                    }
                }
                header
            }
        };
        while !self.full()
            && let Some(record) = csv.next()
        {
            match record {
                Err(slip) => self.slips.push(slip),
                Ok((line, cells)) if cells.len() == header.len() => {
                    let cells = cells.into_iter().map(Value::String);
                    self.row(line, header.iter().cloned().zip(cells).collect());
                }
                Ok((line, cells)) => {
                    let (has, wants) = (cells.len(), header.len());
                    let cells = if has == 1 { "cell" } else { "cells" };
                    self.slip(line, format!("the row has {has} {cells}, the header {wants}"));
                }
            }
        }
    }
}

/// What the parser says, with the column alone: the line is that of the row.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
    if error.column() > 0 { format!("{text} at byte {}", error.column()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(name: &str, text: &str) -> Vec<(u64, u64, Value)> {
        let (rows, slips) = read(name, text, 100);
        assert_eq!(slips, []);
        rows.into_iter().map(|row| (row.line, row.number, Value::Object(row.fields))).collect()
    }

    #[test]
    fn rows_of_every_kind_have_their_lines() {
        let want = [(2, 1, json!({"a": 1})), (4, 2, json!({"a": [2]}))];
        assert_eq!(lines("x.jsonl", "\n{\"a\":1}\r\n\n{\"a\":[2]}"), want);
        assert_eq!(lines("x.json", "[\n{\"a\":1},\n\n{\"a\":\n[2]}]"), want);
        assert_eq!(
            lines("x.csv", "a,b\n1,\"\n\"\n2,\n"),
            [(2, 1, json!({"a": "1", "b": "\n"})), (4, 2, json!({"a": "2", "b": ""})),]
        );
        assert_eq!(read("x.jsonl", "{}\n{}\nnonsense", 2).1, []);
    }

    #[test]
    fn slips_of_every_kind_have_their_lines() {
        for (name, text, want) in [
            ("x.jsonl", "{}\n[1]\n{\"a\":}\n7", vec![2, 3, 4]),
            ("x.json", "[{},\n 5,\n{}]", vec![2]),
            ("x.json", "[{},\n {]", vec![2]),
            ("x.csv", "a,a\n1\n1,2,3\n1,2\n", vec![1, 2, 3]),
            ("x.csv", "a,\n", vec![1]),
        ] {
            let (_, slips) = read(name, text, 100);
            assert_eq!(slips.iter().map(|slip| slip.line).collect::<Vec<_>>(), want, "{text:?} {slips:?}");
        }
    }
}
