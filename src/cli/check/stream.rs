//! A file with one record a line, judged window by window on all cores; findings come out in the order of the file.

use super::Plan;
use super::items::Judged;
use super::judge::{Checked, Item, judged_into};
use crate::cli::input::{Trouble, Window, Windows, in_order, long};
use crate::formats::{self, Format, ReadError};
use crate::rules::quick::{self, Quick};

/// Bytes of lines whose trajectories are held at once.
const EXACT: usize = 1 << 17;

/// Judges all windows of a file whose format is known.
pub(super) fn judge(windows: Windows, format: &'static Format, plan: &Plan, workers: usize) -> Checked {
    let path = windows.name().to_owned();
    let job = Job { path: &path, format, plan };
    let mut merged = Merged::new(&path);
    in_order(
        windows,
        workers,
        || job.worker(),
        |part| {
            merged.merge(part);
            true
        },
    );
    merged.checked
}

struct Job<'a> {
    path: &'a str,
    format: &'static Format,
    plan: &'a Plan,
}

/// What a window came to; lines and offsets are those of the window.
#[derive(Default)]
struct Part {
    checked: Checked,
    items: Vec<Item>,
    errors: Vec<ReadError>,
    warnings: Vec<ReadError>,
    /// Line of each trajectory.
    judged: Vec<u64>,
    /// Lines of the window.
    lines: u64,
    offset: u64,
    length: u64,
    trouble: Option<Trouble>,
}

struct Merged {
    checked: Checked,
    path: String,
    /// Lines before the next window.
    lines: u64,
    /// Trajectories before it.
    judged: usize,
}

impl Job<'_> {
    /// What one core works with.
    fn worker(&self) -> impl FnMut(&mut Window) -> Part {
        let options = self.plan.options();
        let is_quick = self.format.name == quick::FORMAT;
        // Figures by model and tool need the trajectories.
        let is_quick = is_quick && !self.plan.statistics;
        let mut quick = is_quick.then(|| Quick::new(&self.plan.policy, &options)).flatten();
        move |window| self.part(window, quick.as_mut())
    }

    fn part(&self, window: &mut Window, mut quick: Option<&mut Quick>) -> Part {
        let mut part = Part { offset: window.offset, trouble: window.trouble.take(), ..Part::default() };
        if window.passed {
            part.lines = 1;
            part.errors.push(long(self.path, self.plan.line_limit));
            return part;
        }
        let bytes = window.bytes();
        part.length = bytes.len() as u64;
        let mut start = if window.offset == 0 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut left = Vec::new();
        let ends = memchr::memchr_iter(b'\n', bytes);
        let tail = (!bytes.ends_with(b"\n") && !bytes.is_empty()).then_some(bytes.len());
        for end in ends.chain(tail) {
            part.lines += 1;
            let known = quick.as_deref_mut().filter(|_| end - start <= self.plan.line_limit);
            match known.and_then(|quick| quick.line(&bytes[start..end])) {
                Some(counts) => {
                    part.judged.push(part.lines);
                    part.checked.trajectories += 1;
                    part.checked.messages += counts.messages;
                    part.checked.calls += counts.calls;
                    part.checked.compliant += counts.messages;
                }
                None => left.push((start, end)),
            }
            start = end + 1;
        }
        if tail.is_some() {
            part.lines -= 1;
        }
        self.exact(bytes, &left, &mut part);
        part
    }

    /// Judges lines as every other format is judged.
    fn exact(&self, bytes: &[u8], lines: &[(usize, usize)], part: &mut Part) {
        let mut quick = std::mem::take(&mut part.judged).into_iter().peekable();
        let (mut judged, mut items) = (Vec::new(), Vec::new());
        let files = [(self.path, bytes)];
        let mut rest = lines;
        while !rest.is_empty() {
            let mut sum = 0;
            let fits = |(start, end): &&(usize, usize)| {
                sum += end - start;
                sum <= EXACT
            };
            let (some, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = others;
            let output = formats::read_lines(self.format, self.path, bytes, some, self.plan.line_limit);
            let trajectories = &output.trajectories;
            judged_into(&mut part.checked, trajectories, &files, self.plan, false, &mut |origin, found| {
                let line = origin.line;
                while let Some(before) = quick.next_if(|before| *before < line) {
                    judged.push(before);
                }
                items.extend(found.into_iter().map(|item| Item { judged: judged.len(), ..item }));
                judged.push(line);
            });
            part.errors.extend(output.errors);
            part.warnings.extend(output.warnings);
        }
        judged.extend(quick);
        (part.judged, part.items) = (judged, items);
    }
}

impl Merged {
    fn new(path: &str) -> Self {
        let checked = Checked { files: 1, ..Checked::default() };
        Self { checked, path: path.to_owned(), lines: 0, judged: 0 }
    }

    /// Places in the window become places in the file.
    fn merge(&mut self, part: Part) {
        let lines = self.lines;
        let moved = |error: ReadError| ReadError {
            line: error.line + lines,
            offset: error.offset + part.offset,
            ..error
        };
        let Part { checked, items, errors, warnings, judged, trouble, .. } = part;
        let to = &mut self.checked;
        to.trajectories += checked.trajectories;
        to.messages += checked.messages;
        to.calls += checked.calls;
        to.compliant += checked.compliant;
        if let Some(figures) = checked.statistics {
            to.statistics.get_or_insert_default().add(figures);
        }
        to.errors.extend(errors.into_iter().map(moved));
        to.warnings.extend(warnings.into_iter().map(moved));
        for mut item in items {
            let places = [item.finding.location.as_mut(), item.end.as_mut()];
            places.into_iter().flatten().for_each(|place| place.line += lines);
            if let Some(excerpt) = &mut item.excerpt {
                excerpt.line += lines;
            }
            item.judged += self.judged;
            to.items.push(&item);
        }
        for line in judged {
            self.judged += 1;
            to.judged.push(Judged { path: &self.path, line: line + lines, number: self.judged });
        }
        self.lines += part.lines;
        if let Some(trouble) = trouble {
            let offset = part.offset + part.length;
            to.errors.push(trouble.error(&self.path, self.lines + 1, offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::super::output::{self, Look};
    use super::*;
    use crate::cli::input::Found;
    use crate::model::{Policy, Severity};
    use std::io::Write;
    use std::path::Path;

    const GOOD: &str = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"<function=finish>\n</function>"}]}"#;

    /// All outputs of a check of a file, and its errors and warnings.
    fn told(bytes: &[u8], window: usize, line_limit: usize, off: &[&'static str]) -> String {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        let plan = Plan {
            policy: Policy::default(),
            from: None,
            tools: None,
            off: off.to_vec(),
            fail_on: Severity::Error,
            line_limit,
            window,
            excerpts: true,
            severities: Vec::new(),
            redactor: crate::util::redact::Redactor::default(),
            allowed: std::collections::BTreeSet::new(),
            statistics: false,
            baseline: None,
            write_baseline: None,
            redact: false,
            tell: false,
        };
        let checked =
            judge::judge("f.jsonl", &[Found::named(file.path())], Vec::new(), &plan).expect("judged");
        let mut out = Vec::new();
        for name in ["text", "json", "csv", "junit"] {
            let look = Look { color: false, cwd: Path::new("/") };
            (output::named(name).expect("an output").render)(&checked, &plan, &look, &mut out)
                .expect("written");
        }
        for error in checked.errors.iter().chain(checked.warnings.iter()) {
            writeln!(out, "{:?}", error.expect("read")).expect("written");
        }
        String::from_utf8(out).expect("UTF-8")
    }

    /// Good lines, findings, blanks, damage, a secret, a line that is too long.
    fn lines(end: &str) -> String {
        let two = GOOD.replace("</function>", "</function>\\né→<function=g>\\n</function>");
        let no_call = GOOD.replace("<function=finish>", &format!("What? AKIA{}", "0".repeat(16)));
        let again = GOOD.replace("\"user\"", "\"user\",\"x\":1,\"x\":2");
        let long = GOOD.replace("\"go\"", &format!("\"{}\"", "go ".repeat(80)));
        let torn = &GOOD[..40];
        [GOOD, &two, "", GOOD, &no_call, "  ", torn, &again, &long, "[1, 2]", GOOD, &two, GOOD].join(end)
    }

    #[test]
    fn where_windows_are_cut_does_not_matter() {
        let fc: Vec<&'static str> =
            crate::rules::ALL.iter().filter(|rule| rule.family() != "FC").map(|rule| rule.id).collect();
        let texts = [lines("\n"), format!("\u{feff}{}\n", lines("\r\n"))];
        for (off, text, step) in [(&[][..], &texts[0], 1), (&fc, &texts[0], 61), (&fc, &texts[1], 53)] {
            let bytes = text.as_bytes();
            let whole = told(bytes, 1 << 20, 250, off);
            assert!(whole.contains("FC002") && whole.contains("FC001"), "{whole}");
            assert!(whole.contains("a line is longer than the limit of 250 bytes"), "{whole}");
            // With CR and LF, it is the CR that a torn string trips over.
            assert!(whole.contains("torn JSON") || whole.contains("not JSON: a control"), "{whole}");
            assert!(whole.contains("stands twice"), "{whole}");
            for window in (1..=bytes.len() + 1).step_by(step) {
                assert_eq!(told(bytes, window, 250, off), whole, "{window}");
            }
        }
    }

    #[test]
    fn all_cores_give_what_one_gives() {
        let many = format!("{}\n", lines("\n")).repeat(200);
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let one = pool(1).install(|| told(many.as_bytes(), 1 << 20, 250, &[]));
        for (threads, window) in [(4, 300), (3, 1000), (2, 20_000)] {
            assert_eq!(pool(threads).install(|| told(many.as_bytes(), window, 250, &[])), one);
        }
    }
}
