//! CSV as spreadsheets write it, strictly: a row that does not fit or a quote that never closes is said with
//! its line, where a lenient reader would swallow the rest of the file.

/// Where and why a file can't be read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    /// Line, from 1.
    pub(super) line: u64,
    /// One lower-case sentence.
    pub(super) message: String,
}

/// The cells of one record and the line on which it starts.
pub(super) type Record = (u64, Vec<String>);

/// Reads record by record; blank lines are none.
pub(super) struct Csv<'t> {
    rest: &'t str,
    line: u64,
    delimiter: char,
}

impl<'t> Csv<'t> {
    pub(super) fn new(text: &'t str, delimiter: char) -> Self {
        Self { rest: text, line: 1, delimiter }
    }

    /// The next record; after a slip the reading goes on with the next line.
    pub(super) fn next(&mut self) -> Option<Result<Record, Slip>> {
        while self.line_end() {}
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let cell = if self.rest.starts_with('"') { self.quoted() } else { Ok(self.bare()) };
            match cell {
                Ok(cell) => cells.push(cell),
                Err(slip) => return Some(Err(slip)),
            }
            if let Some(rest) = self.rest.strip_prefix(self.delimiter) {
                self.rest = rest;
            } else {
                self.line_end();
                return Some(Ok((line, cells)));
            }
        }
    }

    /// Takes one end of a line, if it is next.
    fn line_end(&mut self) -> bool {
        let rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
        let Some(rest) = rest else { return false };
        self.rest = rest;
        self.line += 1;
        true
    }

    /// A cell without quotes around it; quotes inside are text.
    fn bare(&mut self) -> String {
        let end = self.rest.find([self.delimiter, '\n']).unwrap_or(self.rest.len());
        let (cell, rest) = self.rest.split_at(end);
        self.rest = rest;
        // The line end may be one of two characters.
        let cell =
            if rest.starts_with(self.delimiter) { cell } else { cell.strip_suffix('\r').unwrap_or(cell) };
        cell.to_owned()
    }

    fn quoted(&mut self) -> Result<String, Slip> {
        let line = self.line;
        let mut cell = String::new();
        self.rest = &self.rest[1..];
        loop {
            let Some(at) = self.rest.find('"') else {
                self.rest = "";
                return Err(Slip { line, message: "a quote opens here and is never closed".to_owned() });
            };
            let part = &self.rest[..at];
            self.line += part.bytes().filter(|byte| *byte == b'\n').count() as u64;
            cell.push_str(part);
            self.rest = &self.rest[at + 1..];
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    cell.push('"');
                    self.rest = rest;
                }
                None => break,
            }
        }
        let ends = |rest: &str| {
            rest.is_empty() || rest.starts_with(self.delimiter) || rest.starts_with('\n') || rest == "\r"
        };
        if ends(self.rest) || self.rest.starts_with("\r\n") {
            if self.rest == "\r" {
                self.rest = "";
            }
            return Ok(cell);
        }
        let slip = Slip { line: self.line, message: "text follows the closing quote of a cell".to_owned() };
        self.rest = self.rest.find('\n').map_or("", |at| &self.rest[at..]);
        self.line_end();
        Err(slip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<Result<Record, Slip>> {
        let mut csv = Csv::new(text, ',');
        std::iter::from_fn(|| csv.next()).collect()
    }

    fn good(text: &str) -> Vec<Record> {
        all(text).into_iter().map(|record| record.expect("a good record")).collect()
    }

    fn cells(list: &[&str]) -> Vec<String> {
        list.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn lines_are_counted_through_quotes_blank_lines_and_both_line_ends() {
        let text = "a,b\r\n\r\n1,\"x\ny\"\n\n\"q\"\"q\",\r\nlast,5\" disk";
        let want = vec![
            (1, cells(&["a", "b"])),
            (3, cells(&["1", "x\ny"])),
            (6, cells(&["q\"q", ""])),
            (7, cells(&["last", "5\" disk"])),
        ];
        assert_eq!(good(text), want);
        assert_eq!(good("a\r"), [(1, cells(&["a"]))]);
        assert_eq!(good("\"a\"\r"), [(1, cells(&["a"]))]);
    }

    #[test]
    fn slips_have_lines_and_the_next_line_is_read_on() {
        let found = all("a\n\"x\" y\nb\n\n\"open\nto the end\n");
        assert_eq!(found[0], Ok((1, cells(&["a"]))));
        assert_eq!(found[1].as_ref().expect_err("a slip").line, 2);
        assert_eq!(found[2], Ok((3, cells(&["b"]))));
        assert_eq!(found[3].as_ref().expect_err("a slip").line, 5);
        assert_eq!(found.len(), 4);
    }

    proptest! {
        /// What the crate `csv` writes is read back, and each record starts on the line that it stands on.
        #[test]
        fn what_is_written_is_read(table in prop::collection::vec(prop::collection::vec("[a\",\r\n é]{0,6}", 2..4), 1..6)) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            let mut starts = Vec::new();
            let mut line = 1;
            for row in &table {
                starts.push(line);
                line += 1 + row.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
                writer.write_record(row).expect("memory");
            }
            let bytes = writer.into_inner().expect("memory");
            let text = String::from_utf8(bytes).expect("UTF-8");
            let want: Vec<Record> = starts.into_iter().zip(table).collect();
            prop_assert_eq!(good(&text), want);
        }
    }
}
