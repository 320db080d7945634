//! How near a file is to a format: which of the format's marks its first record has.
//!
//! Asked only where no format fits, or several do: a file that is told at once pays nothing for it.
//!
//! A mark is a path into the record, such as `messages[].role=user|assistant`: members divided by dots, `[]` for any
//! element of a list (or of lists in it), `|` between names that may stand for each other. Behind `=` stands what the
//! text has to be: one of several, `^` and how it begins, or `*` for any text. In a record that is a list, a first
//! member with `[]` is the record itself. Marks of formats that are no JSON begin with `text:`.

use super::{ALL, Format, Shape, Source};
use crate::util::json::View;
use std::borrow::Cow;

/// How a mark of text begins.
const TEXT: &str = "text:";

/// Bytes of a text that its marks are looked for in.
const HEAD: usize = 1 << 16;

/// Weight of a mark that no other format has; small numbers divide it.
const WEIGHT: usize = 840;

/// Longest name or word that is compared letter by letter.
const WORD: usize = 40;

/// What a file has of a format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Near {
    /// Marks that are there.
    pub(super) there: usize,
    /// Marks that the format has.
    pub(super) of: usize,
    /// The share that is there, in thousandths: a mark that many formats have weighs less, and a slip of the pen half
    /// as much as the mark itself.
    pub(super) share: usize,
    /// What the first slip of the pen is, as a clause without a subject.
    pub(super) slip: Option<String>,
}

/// What the file has of a format, by the kind of record of which it has most.
pub(super) fn near(format: &Format, source: &Source<'_>) -> Near {
    // Of equals the first one.
    let kinds = format.marks.iter().rev().map(|marks| of_kind(marks, source));
    kinds.max_by_key(|near| near.share).unwrap_or_default()
}

fn of_kind(marks: &[&str], source: &Source<'_>) -> Near {
    let mut near = Near { of: marks.len(), ..Near::default() };
    let (mut all, mut has) = (0, 0);
    for mark in marks {
        let weight = weight(mark);
        all += 2 * weight;
        match look(mark, source) {
            Look::There => {
                near.there += 1;
                has += 2 * weight;
            }
            Look::Slip(what) => {
                near.slip.get_or_insert(what);
                has += weight;
            }
            Look::No => {}
        }
    }
    near.share = has * 1000 / all.max(1);
    near
}

/// How much a mark says: less, the more formats have it.
fn weight(mark: &str) -> usize {
    let has = |format: &&&Format| format.marks.iter().any(|marks| marks.contains(&mark));
    WEIGHT / ALL.iter().filter(has).count().max(1)
}

fn look(mark: &str, source: &Source<'_>) -> Look {
    match (mark.strip_prefix(TEXT), source.first()) {
        (Some(text), _) if *source.shape() == Shape::Text => {
            let head = &source.text()[..source.text().len().min(HEAD)];
            if memchr::memmem::find(head, text.as_bytes()).is_some() { Look::There } else { Look::No }
        }
        (None, Some(record)) => {
            let (path, wanted) = mark.split_once('=').map_or((mark, None), |(path, to)| (path, Some(to)));
            match path.split_once("[]") {
                Some((first, rest)) if record.is_array() && !first.contains('.') => {
                    any(record, rest.trim_start_matches('.'), wanted)
                }
                _ => follow(record, path, wanted),
            }
        }
        _ => Look::No,
    }
}

/// Whether the format is one of texts that are no JSON.
pub(super) fn of_text(format: &Format) -> bool {
    let mut marks = format.marks.iter().copied().flatten();
    marks.next().is_some_and(|mark| mark.starts_with(TEXT))
}

/// What became of a mark.
enum Look {
    There,
    /// It is not there, but something so like it that it may have been meant.
    Slip(String),
    No,
}

/// Follows a path from a value on.
fn follow(view: View<'_>, path: &str, wanted: Option<&str>) -> Look {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let (names, list) = step.strip_suffix("[]").map_or((step, false), |names| (names, true));
    let (inner, slip) = match names.split('|').find_map(|name| view.get(name)) {
        Some(inner) => (inner, None),
        None => match like(view, names) {
            Some((told, name, inner)) => (inner, Some(format!("has no \"{name}\" but \"{told}\""))),
            None => return Look::No,
        },
    };
    let look = match (list, rest) {
        (true, _) => any(inner, rest, wanted),
        (false, "") => fits(inner, names, wanted),
        (false, _) => follow(inner, rest, wanted),
    };
    match (look, slip) {
        (Look::There, Some(slip)) => Look::Slip(slip),
        (look, _) => look,
    }
}

/// The best of what the elements of a list have.
fn any(list: View<'_>, rest: &str, wanted: Option<&str>) -> Look {
    let nested = |item: View<'_>| item.is_array();
    let (lists, own): (Vec<View<'_>>, Vec<View<'_>>) = list.items().partition(|item| nested(*item));
    let mut best = Look::No;
    for item in own.into_iter().chain(lists.into_iter().flat_map(View::items)) {
        let look = if rest.is_empty() { fits(item, "", wanted) } else { follow(item, rest, wanted) };
        match look {
            Look::There => return Look::There,
            Look::Slip(what) if matches!(best, Look::No) => best = Look::Slip(what),
            _ => {}
        }
    }
    best
}

/// Whether a value is what the mark wants it to be.
fn fits(value: View<'_>, name: &str, wanted: Option<&str>) -> Look {
    let Some(wanted) = wanted else { return Look::There };
    let Some(text) = value.text() else { return Look::No };
    let there = match wanted.strip_prefix('^') {
        Some(begin) => text.starts_with(begin),
        None => wanted == "*" || wanted.split('|').any(|word| word == text),
    };
    if there {
        return Look::There;
    }
    let meant = wanted.split('|').find(|word| !word.starts_with('^') && slip(word, &text));
    meant.map_or(Look::No, |meant| Look::Slip(format!("has the \"{name}\" '{text}', not '{meant}'")))
}

/// A member whose name is nearly one of `names`, and that name.
fn like<'a, 'n>(view: View<'a>, names: &'n str) -> Option<(Cow<'a, str>, &'n str, View<'a>)> {
    let near = |told: &str| names.split('|').find(|name| slip(name, told));
    view.members().find_map(|(told, value)| near(&told).map(|name| (told, name, value)))
}

/// Whether a word is another one but for a letter or two.
fn slip(word: &str, told: &str) -> bool {
    if word.len() < 4 || told.len() > WORD {
        return false;
    }
    strsim::damerau_levenshtein(word, told) <= if word.len() < 7 { 1 } else { 2 }
}
