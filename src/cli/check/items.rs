//! The findings of a check and what it could not read, packed: a check of millions of records holds no more than
//! it has to.

use super::judge::Item;
use super::spool::{
    HELD, Spool, damaged, number, option, place, read_number, read_option, read_place, read_text, text,
};
use super::text::Excerpt;
use crate::formats::ReadError;
use crate::model::{Finding, ReadingKind, Severity, Span};
use crate::rules;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

/// Packed findings.
pub(super) struct Items {
    spool: Spool,
    /// Paths and the names of runtimes, each once.
    words: Vec<String>,
    numbers: HashMap<String, u64>,
    by_rule: BTreeMap<(&'static str, Severity), u64>,
}

impl Default for Items {
    fn default() -> Self {
        Self::holding(HELD)
    }
}

impl Items {
    fn holding(limit: usize) -> Self {
        let (words, numbers) = (Vec::new(), HashMap::new());
        Self { spool: Spool::holding(limit), words, numbers, by_rule: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.spool.len()
    }

    /// How many there are of each rule and severity.
    pub(super) fn by_rule(&self) -> &BTreeMap<(&'static str, Severity), u64> {
        &self.by_rule
    }

    /// How many there are of a severity.
    pub(super) fn of(&self, severity: Severity) -> usize {
        self.by_rule.iter().filter(|((_, own), _)| *own == severity).map(|(_, count)| *count as usize).sum()
    }

    pub(super) fn push(&mut self, item: &Item) {
        let finding = &item.finding;
        *self.by_rule.entry((finding.rule, finding.severity)).or_default() += 1;
        let path = self.word(&item.path);
        let readings: Vec<u64> = finding
            .readings
            .iter()
            .map(|reading| match reading {
                ReadingKind::Strict => 0,
                ReadingKind::Runtime(name) => self.word(name) + 1,
            })
            .collect();
        self.spool.push(|out| {
            number(out, path);
            number(out, rules::ALL.iter().position(|rule| rule.id == finding.rule).unwrap_or(0) as u64);
            number(out, finding.severity as u64);
            number(out, readings.len() as u64);
            for reading in readings {
                number(out, reading);
            }
            option(out, finding.step);
            option(out, finding.message);
            option(out, finding.span.map(|span| span.start as u64));
            option(out, finding.span.map(|span| span.end as u64));
            place(out, finding.location.as_ref());
            place(out, item.end.as_ref());
            text(out, &finding.text);
            text(out, &item.content);
            option(out, item.context.as_ref().map(|_| 0));
            if let Some(context) = &item.context {
                text(out, context);
            }
            number(out, item.judged as u64);
            option(out, item.excerpt.as_ref().map(|excerpt| excerpt.line));
            if let Some(excerpt) = &item.excerpt {
                text(out, &excerpt.text);
                number(out, excerpt.before as u64);
                number(out, excerpt.width as u64);
            }
        });
    }

    fn word(&mut self, word: &str) -> u64 {
        if let Some(known) = self.numbers.get(word) {
            return *known;
        }
        let fresh = self.words.len() as u64;
        self.words.push(word.to_owned());
        self.numbers.insert(word.to_owned(), fresh);
        fresh
    }

    /// All findings in order. An error is one of the file that they wait in.
    pub(super) fn iter(&self) -> impl Iterator<Item = io::Result<Item>> {
        let mut reader = self.spool.reader();
        // Told apart from an error of the output that the findings go to.
        (0..self.len()).map(move |_| self.unpack(&mut reader).map_err(io::Error::other))
    }

    fn unpack(&self, from: &mut impl Read) -> io::Result<Item> {
        let path = self.known(read_number(from)?)?;
        let rule = rules::ALL.get(read_number(from)? as usize).ok_or_else(damaged)?;
        let severity = match read_number(from)? {
            0 => Severity::Info,
            1 => Severity::Warning,
            _ => Severity::Error,
        };
        let mut readings = Vec::new();
        for _ in 0..read_number(from)? {
            readings.push(match read_number(from)?.checked_sub(1) {
                None => ReadingKind::Strict,
                Some(name) => ReadingKind::Runtime(self.known(name)?),
            });
        }
        let (step, message) = (read_option(from)?, read_option(from)?);
        let (start, end) = (read_option(from)?, read_option(from)?);
        let span = start.zip(end).map(|(start, end)| Span::new(start as usize, end as usize));
        let (location, end) = (read_place(from)?, read_place(from)?);
        let (sentence, content) = (read_text(from)?, read_text(from)?);
        let context = match read_option(from)? {
            Some(_) => Some(read_text(from)?),
            None => None,
        };
        let judged = read_number(from)? as usize;
        let excerpt = match read_option(from)? {
            Some(line) => Some(Excerpt {
                line,
                text: read_text(from)?,
                before: read_number(from)? as usize,
                width: read_number(from)? as usize,
            }),
            None => None,
        };
        let finding = Finding {
            rule: rule.id,
            name: rule.name,
            severity,
            readings,
            step,
            message,
            span,
            location,
            text: sentence,
        };
        Ok(Item { path, finding, excerpt, end, content, judged, context })
    }

    fn known(&self, number: u64) -> io::Result<String> {
        self.words.get(number as usize).cloned().ok_or_else(damaged)
    }
}

/// Packed errors or warnings of readers.
pub(super) struct Errors {
    spool: Spool,
}

impl Default for Errors {
    fn default() -> Self {
        Self { spool: Spool::holding(HELD / 4) }
    }
}

impl Errors {
    pub(super) fn len(&self) -> usize {
        self.spool.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, error: ReadError) {
        self.spool.push(|out| {
            text(out, &error.path);
            number(out, error.line);
            number(out, error.offset);
            text(out, &error.message);
            option(out, error.hint.as_ref().map(|_| 0));
            if let Some(hint) = &error.hint {
                text(out, hint);
            }
        });
    }

    pub(super) fn extend(&mut self, errors: impl IntoIterator<Item = ReadError>) {
        errors.into_iter().for_each(|error| self.push(error));
    }

    /// All of them in order. An error is one of the file that they wait in.
    pub(super) fn iter(&self) -> impl Iterator<Item = io::Result<ReadError>> {
        let mut reader = self.spool.reader();
        // Told apart from an error of the output that they go to.
        (0..self.len()).map(move |_| unpack_error(&mut reader).map_err(io::Error::other))
    }
}

fn unpack_error(from: &mut impl Read) -> io::Result<ReadError> {
    let (path, line, offset) = (read_text(from)?, read_number(from)?, read_number(from)?);
    let message = read_text(from)?;
    let hint = match read_option(from)? {
        Some(_) => Some(read_text(from)?),
        None => None,
    };
    Ok(ReadError { path, line, offset, message, hint })
}

/// The trajectories that were judged, in the order of the files.
#[derive(Default)]
pub(super) struct Trajectories {
    paths: Vec<String>,
    /// Index of the path, number in the file, line.
    entries: Vec<(u32, u32, u64)>,
}

/// A trajectory that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged<'a> {
    pub(super) path: &'a str,
    /// Line of the file where it starts, from 1.
    pub(super) line: u64,
    /// Its number in the file, from 1, embedded ones counted.
    pub(super) number: usize,
}

impl Trajectories {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, judged: Judged<'_>) {
        // Files come one after the other.
        if self.paths.last().is_none_or(|last| last != judged.path) {
            self.paths.push(judged.path.to_owned());
        }
        self.entries.push((self.paths.len() as u32 - 1, judged.number as u32, judged.line));
    }

    pub(super) fn get(&self, index: usize) -> Option<Judged<'_>> {
        let (path, number, line) = self.entries.get(index)?;
        Some(Judged { path: self.paths.get(*path as usize)?, line: *line, number: *number as usize })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Judged<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Location;

    fn item(n: u64) -> Item {
        let rule = rules::ALL[n as usize % rules::ALL.len()];
        let runtime = ReadingKind::Runtime("openhands-v1".to_owned());
        let some = !n.is_multiple_of(3);
        Item {
            path: format!("file-{}", n % 4),
            finding: Finding {
                rule: rule.id,
                name: rule.name,
                severity: [Severity::Info, Severity::Warning, Severity::Error][n as usize % 3],
                readings: if some { vec![ReadingKind::Strict, runtime] } else { vec![runtime] },
                step: some.then_some(n),
                message: some.then_some(0),
                span: some.then(|| Span::new(n as usize, n as usize * 200)),
                location: Some(Location { line: n + 1, column: 300 * n }),
                text: format!("é {n}"),
            },
            excerpt: some.then(|| Excerpt { line: n, text: "│ x".to_owned(), before: 3, width: 1 }),
            end: some.then_some(Location { line: n, column: u64::MAX - 1 }),
            content: "digest".to_owned(),
            judged: n as usize / 2,
            context: some.then(|| "around".to_owned()),
        }
    }

    fn shown(item: &Item) -> String {
        let excerpt = item.excerpt.as_ref().map(|e| (e.line, e.text.clone(), e.before, e.width));
        format!(
            "{} {:?} {excerpt:?} {:?} {} {}",
            item.path, item.finding, item.end, item.content, item.judged
        )
    }

    #[test]
    fn what_is_put_in_comes_out() {
        for limit in [1, 100, 1000, HELD] {
            let mut items = Items::holding(limit);
            (0..200).for_each(|n| items.push(&item(n)));
            assert_eq!(items.spool.is_aside(), limit < HELD);
            for _ in 0..2 {
                let read: Vec<String> = items.iter().map(|item| shown(&item.expect("read"))).collect();
                assert_eq!(read, (0..200).map(|n| shown(&item(n))).collect::<Vec<_>>());
            }
            assert_eq!((items.len(), items.of(Severity::Error)), (200, 66));
            let (mut whole, bytes) = (Vec::new(), items.spool.bytes() as usize);
            items.spool.reader().read_to_end(&mut whole).expect("read");
            assert_eq!(whole.len(), bytes);
            for (start, end) in
                [(0, 1), (bytes / 3, bytes), (bytes - 1, bytes), (7, 7), (bytes / 2, bytes / 2 + 90)]
            {
                let mut piece = Vec::new();
                items.spool.piece(start as u64, end as u64).read_to_end(&mut piece).expect("read");
                assert_eq!(piece, whole[start..end], "{start}..{end}, {limit} held");
            }
        }
    }

    #[test]
    fn errors_and_trajectories_come_out_as_they_went_in() {
        let error = |n: u64| ReadError {
            path: format!("p{}", n / 9),
            line: n,
            offset: n << 40,
            message: format!("m {n}"),
            hint: n.is_multiple_of(2).then(|| "h".to_owned()),
        };
        let mut errors = Errors { spool: Spool::holding(50) };
        errors.extend((0..100).map(error));
        assert!(errors.spool.is_aside() && !errors.is_empty());
        assert!(errors.iter().map(|error| error.expect("read")).eq((0..100).map(error)));
        let mut trajectories = Trajectories::default();
        let judged = |n: u64| Judged { path: if n < 5 { "a" } else { "b" }, line: n * n, number: n as usize };
        (0..10).for_each(|n| trajectories.push(judged(n)));
        assert!(trajectories.iter().eq((0..10).map(judged)));
        assert_eq!(trajectories.get(10), None);
    }
}
