//! The page that is made of rows: indents, gutters, colour.

use super::lay::{Laid, Mark, Room, Row, lay};
use crate::model::Severity;
use crate::util::text::{cut, unmarked, width};
use anstyle::{AnsiColor, Style};
use std::ops::Range;

/// How the page is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) width: usize,
    pub(super) color: bool,
    /// Whether long texts are shown whole.
    pub(super) full: bool,
    /// Whether it goes to something else than a terminal, such as the log of a CI service.
    pub(super) log: bool,
}

/// How long a text may be: rows from its beginning, lines from its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length(pub(super) usize, pub(super) usize);

/// Text that grows.
pub(super) struct Page {
    pub(super) out: String,
    pub(super) look: Look,
    /// Columns before everything: an embedded trajectory stands further right.
    pub(super) indent: usize,
}

/// Not less is left for text, however narrow the terminal.
const LEAST: usize = 24;

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const PLAIN: Style = Style::new();

/// The colour of a severity.
pub(super) fn tone(severity: Severity) -> Style {
    AnsiColor::on_default(match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    })
}

impl Page {
    pub(super) fn new(look: Look) -> Self {
        Self { out: String::new(), look, indent: 0 }
    }

    /// Text in a style; nothing but the text without colour.
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        if self.look.color && style != PLAIN && !text.is_empty() {
            format!("{}{text}{}", style.render(), style.render_reset())
        } else {
            text.to_owned()
        }
    }

    /// A line of our own, already painted.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.out.push_str(&" ".repeat(self.indent));
        }
        // A log is no terminal: CI services run what some lines say.
        self.out.push_str(&if self.look.log { unmarked(line) } else { line.into() });
        self.out.push('\n');
    }

    /// A line between steps, with a rule to the end of the terminal.
    pub(super) fn heading(&mut self, style: Style, title: &str, facts: &str) {
        let room = self.room(0);
        let title = cut(title, room.saturating_sub(8));
        let facts = cut(facts, room.saturating_sub(width(&title) + 10));
        let facts = if facts.is_empty() { facts } else { format!("· {facts} ") };
        let used = 3 + width(&title) + 1 + width(&facts);
        let rule = "─".repeat(room.saturating_sub(used).max(2));
        let (lead, rule) = (self.paint(DIM, "──"), self.paint(DIM, &rule));
        let (title, facts) = (self.paint(style, &title), self.paint(DIM, &facts));
        self.line("");
        self.line(&format!("{lead} {title} {facts}{rule}"));
    }

    /// Columns that are left behind a gutter.
    pub(super) fn room(&self, gutter: usize) -> usize {
        self.look.width.saturating_sub(self.indent + gutter).max(LEAST)
    }

    /// A text behind a gutter. Says which marks were shown.
    pub(super) fn text(
        &mut self,
        gutter: &str,
        style: Style,
        text: &str,
        marks: &[Mark],
        length: Length,
    ) -> Vec<bool> {
        self.part(gutter, style, (text, 0..text.len()), marks, length)
    }

    /// A part of a text behind a gutter. Says which marks were shown.
    pub(super) fn part(
        &mut self,
        gutter: &str,
        style: Style,
        (text, part): (&str, Range<usize>),
        marks: &[Mark],
        length: Length,
    ) -> Vec<bool> {
        // Nothing is to be seen of blanks, and a line of nothing else is empty.
        let edge = if gutter.trim().is_empty() { gutter.to_owned() } else { self.paint(DIM, gutter) };
        self.rows([&edge, &edge], width(gutter), style, (text, part), marks, length)
    }

    /// A text beside a painted label of so many columns.
    pub(super) fn beside(&mut self, label: &str, columns: usize, style: Style, text: &str) {
        let next = " ".repeat(columns);
        self.rows([label, &next], columns, style, (text, 0..text.len()), &[], Length(20, 0));
    }

    /// A text beside its name.
    pub(super) fn labelled(&mut self, indent: &str, name: &str, text: &str, length: Length) {
        let first = format!("{indent}{} ", self.paint(AnsiColor::Cyan.on_default(), &format!("{name}:")));
        if text.is_empty() {
            self.line(first.trim_end());
            return;
        }
        let columns = width(indent) + width(name) + 2;
        // A long name leaves the rest of its line, and the next ones begin further left.
        let next = " ".repeat(columns.min(width(indent) + 4));
        self.rows([&first, &next], columns, PLAIN, (text, 0..text.len()), &[], length);
    }

    fn rows(
        &mut self,
        edges: [&str; 2],
        gutter: usize,
        style: Style,
        (text, part): (&str, Range<usize>),
        marks: &[Mark],
        length: Length,
    ) -> Vec<bool> {
        let rows = (!self.look.full).then_some(length.0);
        let columns = self.room(gutter);
        let Laid { rows, told } = lay(text, part, marks, Room { width: columns, rows, tail: length.1 });
        for (index, row) in rows.into_iter().enumerate() {
            self.row(edges[index.min(1)], style, row, columns);
        }
        told
    }

    fn row(&mut self, edge: &str, style: Style, row: Row, columns: usize) {
        match row {
            Row::Text(pieces) => {
                let last = pieces.len().saturating_sub(1);
                let pieces = pieces.iter().enumerate().map(|(at, (text, found))| {
                    let text = if at == last { text.trim_end() } else { text };
                    self.paint(found.map_or(style, |severity| tone(severity).underline()), text)
                });
                let text: String = pieces.collect();
                self.line(format!("{edge}{text}").trim_end());
            }
            Row::Carets { before, width: wide, more, tone: severity, label } => {
                let carets = format!("{}{}", "^".repeat(wide), if more { "…" } else { "" });
                let beside = before + width(&carets) + 1 + width(&label) <= columns;
                let blanks = " ".repeat(before);
                let carets = self.paint(tone(severity), &carets);
                let said = if beside { self.paint(tone(severity), &label) } else { String::new() };
                self.line(format!("{edge}{blanks}{carets} {said}").trim_end());
                if !beside {
                    self.wrapped(edge, tone(severity), &label, columns);
                }
            }
            Row::Cut(text) => self.wrapped(edge, DIM.italic(), &text, columns),
        }
    }

    /// A text of our own in as many rows as it takes.
    fn wrapped(&mut self, edge: &str, style: Style, text: &str, columns: usize) {
        let room = Room { width: columns, rows: None, tail: 0 };
        for row in lay(text, 0..text.len(), &[], room).rows {
            self.row(edge, style, row, columns);
        }
    }

    /// A word about what is not there.
    pub(super) fn note(&mut self, indent: &str, text: &str) {
        self.beside(indent, width(indent), DIM.italic(), text);
    }
}
