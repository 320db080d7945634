//! Annotations of GitHub Actions: one workflow command a line.
//!
//! Data is escaped as GitHub's toolkit does it: `%`, CR and LF, in properties also `:` and `,`. No line begins
//! with anything but a command of ours, and no text holds a command of another service.

use crate::model::{Location, Severity};
use crate::util::plural::plural;
use crate::util::text::{one_line, unmarked, visible};

/// How many annotations of one level GitHub shows of a step; a job has 50 at most.
const SHOWN: usize = 10;

/// An annotation.
#[derive(Debug, Clone)]
pub struct Annotation<'a> {
    /// `error`, `warning` or, for information, `notice`.
    pub severity: Severity,
    /// What it is about, in a few words.
    pub title: String,
    /// The sentence.
    pub message: String,
    /// A file of the repository and where in it, start and end.
    pub place: Option<(&'a str, &'a Location, Option<&'a Location>)>,
}

const WORDS: [(Severity, &str); 3] =
    [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "notice")];

/// The notice that goes before all annotations where GitHub shows only some of a level, else nothing; `count` knows
/// how many come of each.
pub fn beginning(count: impl Fn(Severity) -> usize) -> String {
    if WORDS.iter().all(|(severity, _)| count(*severity) <= SHOWN) {
        return String::new();
    }
    let told = WORDS.map(|(severity, noun)| plural(count(severity), noun)).join(", ");
    let sentence = format!(
        "{told}: GitHub shows the first {SHOWN} of each level in a step; the log of the step holds all"
    );
    line("notice", &[("title", "rolltape".to_owned())], &sentence)
}

/// An annotation as a line.
pub fn command(one: &Annotation<'_>) -> String {
    let mut properties = Vec::new();
    if let Some((path, start, end)) = one.place {
        let path = path.trim_start_matches("./");
        properties.push(("file", path.to_owned()));
        properties.push(("line", start.line.to_string()));
        if let Some(end) = end {
            properties.push(("endLine", end.line.to_string()));
        }
        // GitHub takes columns only where they are of one line, and then both or the first.
        if end.is_none_or(|end| end.line == start.line) {
            properties.push(("col", start.column.to_string()));
            if let Some(end) = end {
                properties.push(("endColumn", end.column.to_string()));
            }
        }
    }
    properties.push(("title", one.title.clone()));
    let word =
        WORDS.iter().find(|(severity, _)| *severity == one.severity).map_or("notice", |(_, word)| word);
    line(word, &properties, &one.message)
}

fn line(command: &str, properties: &[(&str, String)], message: &str) -> String {
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    format!("::{command} {}::{}\n", properties.join(","), data(&unmarked(&one_line(message))))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&unmarked(&visible(text))).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(title: &str) -> Annotation<'_> {
        Annotation {
            severity: Severity::Error,
            title: title.to_owned(),
            message: "100 %\n::error::x ##vso[y]".to_owned(),
            place: None,
        }
    }

    #[test]
    fn what_is_told_ends_no_command_and_begins_none() {
        let start = Location { line: 3, column: 4 };
        let end = Location { line: 3, column: 9 };
        let place = Some(("./a,b:\n%.json", &start, Some(&end)));
        assert_eq!(
            command(&Annotation { place, ..annotation("FC001: a, b\x1b") }),
            "::error file=a%2Cb%3A%0A%25.json,line=3,endLine=3,col=4,endColumn=9,title=FC001%3A a%2C b␛\
             ::100 %25 ::error::x ##vso⟦y]\n"
        );
    }

    #[test]
    fn what_github_does_not_show_is_said() {
        let told = |errors| beginning(|severity| if severity == Severity::Error { errors } else { 1 });
        assert!(
            told(11).starts_with("::notice title=rolltape::11 errors, 1 warning, 1 notice: GitHub"),
            "{}",
            told(11)
        );
        assert_eq!(told(10), "");
    }
}
