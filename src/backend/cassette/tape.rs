//! A cassette in memory: read once, asked by position.

use super::super::wire::{LineError, line_from_json};
use super::super::{OpenError, Request, recorded};
use crate::model::{CassetteLine, Scope};
use crate::util::plural::plural;
use std::collections::{BTreeMap, BTreeSet};

/// What is told first, of lines that could not be read.
const MAX_WARNINGS: usize = 5;
const AGAIN: &str = "record the task again with the back end that made the tape";

/// Lines of one task and subject by attempt and turn. An attempt that was tried again has several.
type Turns = BTreeMap<(u32, u32), Vec<CassetteLine>>;
/// Turns by subject.
type Subjects = BTreeMap<String, Turns>;

pub(super) struct Tape {
    pub(super) path: String,
    /// Model, if all replies name the same one.
    pub(super) model: Option<String>,
    /// By task and suite. The suite is empty where a line tells none.
    tasks: BTreeMap<String, BTreeMap<String, Subjects>>,
}

/// Reads a cassette. Good lines are kept, bad ones come back as warnings; a newer schema is refused.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<(Tape, Vec<String>), OpenError> {
    let mut tape = Tape { path: path.to_owned(), model: None, tasks: BTreeMap::new() };
    let mut warnings = Vec::new();
    let mut bad = 0;
    let mut models = BTreeSet::new();
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let torn = !line.ends_with(b"\n");
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned());
        if text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
            continue;
        }
        let why = match text.map(line_from_json) {
            Ok(Ok(line)) => {
                models.insert(recorded::model(line.body.as_ref(), line.sse.as_deref()));
                tape.add(line);
                continue;
            }
            Ok(Err(LineError::Newer(schema))) => {
                let message = format!(
                    "the cassette {path} has schema {schema} in line {number}, newer than 1.0, the newest known here"
                );
                return Err((message, Some("update rolltape, or record the cassette again".to_owned())));
            }
            Ok(Err(LineError::Broken(why))) | Err(why) => why,
        };
        bad += 1;
        if bad <= MAX_WARNINGS {
            warnings.push(if torn {
                format!("{path}: line {number} is cut off and was left out")
            } else {
                format!("{path}: line {number} is no cassette line and was left out: {why}")
            });
        }
    }
    if bad > MAX_WARNINGS {
        warnings.push(format!("{path}: {} more were left out", plural(bad - MAX_WARNINGS, "line")));
    }
    if tape.tasks.is_empty() {
        let hint =
            "a cassette has one recorded exchange a line; `rolltape run` writes one into the run's folder";
        let what = warnings
            .first()
            .map(|warning| format!(" ({})", warning.trim_start_matches(path).trim_start_matches(": ")));
        return Err((
            format!("the cassette {path} holds no exchange{}", what.unwrap_or_default()),
            Some(hint.to_owned()),
        ));
    }
    if models.len() == 1 {
        tape.model = models.into_iter().next().flatten();
    }
    Ok((tape, warnings))
}

impl Tape {
    fn add(&mut self, line: CassetteLine) {
        if line.scope != Scope::Agent {
            return;
        }
        let suites = self.tasks.entry(line.task.clone()).or_default();
        let subjects = suites.entry(line.suite.clone()).or_default();
        let turns = subjects.entry(line.subject.clone()).or_default();
        turns.entry((line.attempt, line.turn)).or_default().push(line);
    }

    /// The line at the request's position; the error is the whole sentence of a `cassette_miss`.
    pub(super) fn find(&self, request: &Request<'_>) -> Result<&CassetteLine, String> {
        let (task, attempt, turn) = (&request.attempt.task, request.attempt.n, request.turn);
        let path = &self.path;
        let Some(suites) = self.tasks.get(task) else {
            let tasks: Vec<&str> = self.tasks.keys().map(String::as_str).collect();
            return Err(format!(
                "the cassette {path} has no task '{task}', only {}; {AGAIN}, or leave the task out with --task",
                tasks.join(", ")
            ));
        };
        let turns = self.subject(self.suite(suites, request)?, request)?;
        if let Some(lines) = turns.get(&(attempt, turn)) {
            // Of several tries of one attempt, the one that said the same so far; the last one wins.
            return lines.iter().rev().find(|line| line.prefix_sha256 == request.prefix_sha256).ok_or_else(|| {
                format!(
                    "task '{task}', attempt {attempt} left the cassette {path} at turn {turn}: the replies before it \
                     are others than on the tape (expected their digest {}, got {}); {AGAIN}",
                    short(lines.last().map_or("", |line| &line.prefix_sha256)),
                    short(&request.prefix_sha256)
                )
            });
        }
        let recorded = turns.keys().filter(|(n, _)| *n == attempt).count();
        if recorded == 0 {
            // Without the number that was asked for, all attempts that the tape lacks have one reason.
            let mut attempts: Vec<u32> = turns.keys().map(|(n, _)| *n).collect();
            attempts.dedup();
            let first = (1..).zip(&attempts).take_while(|(n, recorded)| n == *recorded).count();
            let recorded = match attempts.len() {
                1 => format!("attempt {}", attempts[0]),
                n if n == first => format!("attempts 1 to {n}"),
                _ => {
                    let numbers = attempts.iter().map(u32::to_string).collect::<Vec<_>>();
                    format!("attempts {}", numbers.join(", "))
                }
            };
            let fewer = if first > 0 { format!("run with --attempts {first}, or ") } else { String::new() };
            return Err(format!(
                "the cassette {path} has only {recorded} of task '{task}'; {fewer}record more with the back end that \
                 made the tape"
            ));
        }
        Err(format!(
            "task '{task}', attempt {attempt} left the cassette {path} at turn {turn}: the tape has {} there and \
             expected the agent to be done; {AGAIN}",
            plural(recorded, "turn")
        ))
    }

    /// The lines of the suite of the same name, else those that name none, else those of the task's only suite:
    /// a suite may be renamed, but two suites that share a task's id must not answer for each other.
    fn suite<'a>(
        &self,
        suites: &'a BTreeMap<String, Subjects>,
        request: &Request<'_>,
    ) -> Result<&'a Subjects, String> {
        let wanted = &request.attempt.suite;
        let only = || suites.values().next().filter(|_| suites.len() == 1);
        suites.get(wanted).or_else(|| suites.get("")).or_else(only).ok_or_else(|| {
            format!(
                "the cassette {} has task '{}' of several suites and none is '{wanted}': {}; {AGAIN}",
                self.path,
                request.attempt.task,
                suites.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            )
        })
    }

    /// The tape's only subject, else the one of the same id, else the only one of the same agent.
    fn subject<'a>(&self, subjects: &'a Subjects, request: &Request<'_>) -> Result<&'a Turns, String> {
        let wanted = &request.attempt.subject;
        if let Some(turns) = subjects.get(wanted) {
            return Ok(turns);
        }
        let agent = |subject: &str| subject.split('@').next().unwrap_or(subject).to_owned();
        let mut same = subjects.iter().filter(|(id, _)| subjects.len() == 1 || agent(id) == agent(wanted));
        match (same.next(), same.next()) {
            (Some((_, turns)), None) => Ok(turns),
            _ => Err(format!(
                "the cassette {} has several subjects for task '{}' and none is '{wanted}': {}; cut it down to one \
                 of them, or record again",
                self.path,
                request.attempt.task,
                subjects.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            )),
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_cassette_is_refused_with_its_reason() {
        let told: Vec<String> =
            [&b""[..], b"\n\n", b"\0\xff\n", b"{\"schema\":\"1.0\"}\n", b"{\"schema\":\"9.1\"}\n"]
                .into_iter()
                .map(|bytes| match read("t.jsonl", bytes) {
                    Ok(_) => "taken".to_owned(),
                    Err((message, hint)) => format!("{message} | {}", hint.unwrap_or_default()),
                })
                .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
