//! What was lost: the report file, which is written as it comes, and the few lines on stderr.

use super::super::{CliError, Context, Verbosity};
use super::place::write_error;
use super::{Plan, trajectories};
use crate::formats::{Loss, Lost};
use crate::util::redact::Redactor;
use crate::util::text::{cut, printable};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Schema of the report.
const SCHEMA_VERSION: &str = "1.0";

/// Longest example, in columns; and how much of a value is looked at for secrets, in bytes.
const EXAMPLE: usize = 80;
const LOOKED_AT: usize = 4096;

/// Fields that are named on stderr.
const NAMED: usize = 8;

/// Where a trajectory came from and where it went.
pub(super) struct Of {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) number: u64,
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// Line and column of steps that the report gives as examples.
    pub(super) places: BTreeMap<u64, (u64, u64)>,
}

/// How often a field was met, and how many bytes its values had.
type Totals = BTreeMap<String, (u64, u64)>;

/// Adds up what was lost.
pub(super) struct Told {
    pub(super) converted: u64,
    pub(super) with_loss: u64,
    reordered: u64,
    lost: Totals,
    changed: Totals,
    made: Totals,
    notes: BTreeMap<&'static str, (u64, String)>,
    redactor: Redactor,
    file: Option<(BufWriter<NamedTempFile>, PathBuf)>,
    entries: u64,
}

impl Told {
    /// Opens the report, if one was asked for.
    ///
    /// # Errors
    /// It can't be written there.
    pub(super) fn open(plan: &Plan) -> Result<Self, CliError> {
        let file = plan.report.as_ref().map(|path| report_file(path, plan)).transpose()?;
        Ok(Self {
            converted: 0,
            with_loss: 0,
            reordered: 0,
            lost: Totals::new(),
            changed: Totals::new(),
            made: Totals::new(),
            notes: BTreeMap::new(),
            redactor: Redactor::default(),
            file,
            entries: 0,
        })
    }

    /// Adds one trajectory.
    ///
    /// # Errors
    /// The report can't be written.
    pub(super) fn add(&mut self, of: &Of, loss: &Loss) -> Result<(), CliError> {
        self.converted += 1;
        self.with_loss += u64::from(loss.is_loss());
        self.reordered += u64::from(loss.reordered);
        let sums =
            [(&mut self.lost, &loss.lost), (&mut self.changed, &loss.changed), (&mut self.made, &loss.made)];
        for (totals, list) in sums {
            for lost in list {
                let sum = totals.entry(lost.field.clone()).or_default();
                *sum = (sum.0 + lost.count, sum.1 + lost.bytes);
            }
        }
        for (change, times) in &loss.notes {
            let place = || match change.step {
                Some(step) => format!("{}:{}, step {step}", of.path, of.line),
                None => format!("{}:{}", of.path, of.line),
            };
            self.notes.entry(change.what).or_insert_with(|| (0, place())).0 += times;
        }
        if loss.is_none() && loss.notes.is_empty() {
            return Ok(());
        }
        let entry = self.entry(of, loss);
        if let Some((file, path)) = &mut self.file {
            let comma = if self.entries == 0 { "\n" } else { ",\n" };
            self.entries += 1;
            write!(file, "{comma}{entry}").map_err(|error| write_error(path, &error))?;
        }
        Ok(())
    }

    fn entry(&self, of: &Of, loss: &Loss) -> Value {
        let list = |list: &[Lost]| list.iter().map(|lost| self.lost(of, lost)).collect::<Vec<_>>();
        let notes = loss.notes.iter();
        let notes: Vec<Value> = notes
            .map(|(change, count)| json!({"what": change.what, "count": count, "step": change.step}))
            .collect();
        json!({
            "path": of.path, "line": of.line, "number": of.number, "id": of.id, "name": of.name,
            "lost": list(&loss.lost), "changed": list(&loss.changed), "made": list(&loss.made),
            "reordered": loss.reordered, "notes": notes,
        })
    }

    fn lost(&self, of: &Of, lost: &Lost) -> Value {
        let place = lost.step.and_then(|step| of.places.get(&step));
        json!({
            "field": lost.field, "count": lost.count, "bytes": lost.bytes, "step": lost.step,
            "line": place.map(|place| place.0), "column": place.map(|place| place.1),
            "example": self.example(&lost.example),
        })
    }

    /// The start of a value, harmless and without secrets.
    fn example(&self, value: &str) -> String {
        let end = (0..=LOOKED_AT.min(value.len())).rev().find(|at| value.is_char_boundary(*at));
        let start = &value[..end.unwrap_or_default()];
        cut(&printable(&self.redactor.redact(start)).replace('\n', "\\n"), EXAMPLE)
    }

    /// Ends the report and gives it its name.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn finish(&mut self) -> Result<(), CliError> {
        let totals = json!({
            "trajectories": self.converted, "with_loss": self.with_loss, "reordered": self.reordered,
            "lost": sums(&self.lost), "changed": sums(&self.changed), "made": sums(&self.made),
            "notes": self.notes.iter().map(|(what, (count, _))| ((*what).to_owned(), (*count).into())).collect::<Map<_, _>>(),
        });
        let Some((mut file, path)) = self.file.take() else { return Ok(()) };
        let done = write!(file, "\n], \"totals\": {totals}}}\n")
            .and_then(|()| file.into_inner().map_err(std::io::IntoInnerError::into_error))
            .and_then(|file| {
                file.as_file().sync_all()?;
                file.persist(&path).map_err(|error| error.error)
            });
        done.map(|_| ()).map_err(|error| write_error(&path, &error))
    }

    /// Says in a few lines what was lost.
    pub(super) fn say(&self, context: &Context) {
        if context.verbosity == Verbosity::Quiet {
            return;
        }
        let made: Totals =
            if context.verbosity == Verbosity::Verbose { self.made.clone() } else { Totals::new() };
        for (word, totals) in [("lost", &self.lost), ("changed", &self.changed), ("made", &made)] {
            if !totals.is_empty() {
                context.say(&format!("{word}: {}", named(totals)));
            }
        }
        if self.reordered > 0 {
            context.say(&format!("in another order than before: {}", trajectories(self.reordered)));
        }
        for (what, (count, first)) in &self.notes {
            context.say(&printable(&format!("note: {what} ×{count} (first: {first})")));
        }
    }
}

fn report_file(path: &Path, plan: &Plan) -> Result<(BufWriter<NamedTempFile>, PathBuf), CliError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(parent);
    let file = made.map_err(|error| write_error(path, &error))?;
    let mut file = BufWriter::new(file);
    let calls = plan.calls.map_or(Value::Null, |form| form.name().into());
    write!(
        file,
        "{{\"schema_version\": \"{SCHEMA_VERSION}\", \"to\": \"{}\", \"calls_as\": {calls}, \"trajectories\": [",
        plan.to.name
    )
    .map_err(|error| write_error(path, &error))?;
    Ok((file, path.to_owned()))
}

fn sums(totals: &Totals) -> Value {
    totals
        .iter()
        .map(|(field, (count, bytes))| (field.clone(), json!({"count": count, "bytes": bytes})))
        .collect::<Map<_, _>>()
        .into()
}

/// `step.timestamp ×12, usage.prompt_tokens ×12`, the most frequent ones first.
fn named(totals: &Totals) -> String {
    let mut list: Vec<(&String, u64)> = totals.iter().map(|(field, (count, _))| (field, *count)).collect();
    list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown = list.iter().take(NAMED).map(|(field, count)| format!("{} ×{count}", printable(field)));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if list.len() > NAMED {
        text.push_str(&format!(", and {} more fields", list.len() - NAMED));
    }
    text
}
