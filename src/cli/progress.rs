//! Shows on stderr how a run goes on: a bar on a terminal, plain lines elsewhere when asked for.
//!
//! Invariant: nothing here can stop a run; a closed stderr is nobody's problem.

use super::{Context, Verbosity};
use crate::engine::{Sink, SinkError};
use crate::model::{AttemptRecord, Event, RunSummary};
use crate::util::plural::plural;
use crate::util::text::{cut, printable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

/// A sink that shows progress as the context wants it.
pub(super) fn sink(context: &Context) -> Box<dyn Sink> {
    let bar = io::stderr().is_terminal() && context.verbosity > Verbosity::Quiet;
    Box::new(Progress {
        bar: bar.then(|| ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())),
        context: context.clone(),
        counts: BTreeMap::new(),
        running: Vec::new(),
    })
}

struct Progress {
    bar: Option<ProgressBar>,
    context: Context,
    counts: BTreeMap<&'static str, u64>,
    /// Attempts in flight, oldest first.
    running: Vec<String>,
}

impl Progress {
    fn line(&self, text: &str) {
        let text = printable(text);
        match &self.bar {
            Some(bar) => bar.suspend(|| self.context.say(&text)),
            None => self.context.say(&text),
        }
    }

    fn started(&self, planned: u64) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(planned);
        let template = if self.context.color_err {
            "{spinner:.cyan} {bar:24.cyan/dim} {pos}/{len} {elapsed} {msg}"
        } else {
            "{spinner} {bar:24} {pos}/{len} {elapsed} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
    }

    fn finished(&mut self, record: &AttemptRecord) {
        if self.bar.is_some() {
            let id = record.id.to_string();
            self.running.retain(|running| *running != id);
        }
        *self.counts.entry(record.outcome.word()).or_default() += 1;
        if self.context.verbosity == Verbosity::Verbose {
            self.line(&told(record));
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.refresh();
    }

    fn refresh(&self) {
        let Some(bar) = &self.bar else { return };
        let counts: Vec<String> = self.counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
        let oldest = self.running.first().map(|id| format!(" · {}", cut(id, 48))).unwrap_or_default();
        bar.set_message(printable(&format!("{}{oldest}", counts.join(", "))));
    }

    fn ended(&self, summary: &RunSummary) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.context.verbosity == Verbosity::Verbose {
            let finished = plural(usize::try_from(summary.finished).unwrap_or(usize::MAX), "attempt");
            self.line(&format!("{finished} finished, {} not started", summary.not_started));
        }
    }
}

/// One plain line: outcome, id, and how long it took.
fn told(record: &AttemptRecord) -> String {
    let time = record.timing.get("duration_ms").and_then(serde_json::Value::as_f64);
    let time = time.map(|ms| format!(" in {:.1} s", ms / 1000.0)).unwrap_or_default();
    format!("{:9} {}{time}", record.outcome.word(), record.id)
}

impl Sink for Progress {
    fn on(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::RunStarted(manifest) => self.started(manifest.planned),
            // Who runs is told by the bar alone.
            Event::AttemptStarted(id) if self.bar.is_some() => {
                self.running.push(id.to_string());
                self.refresh();
            }
            Event::AttemptFinished(finished) => self.finished(&finished.record),
            Event::Warning(text) if self.context.verbosity > Verbosity::Quiet => {
                self.line(&format!("warning: {text}"));
            }
            Event::AttemptStarted(_) | Event::StepAdded { .. } | Event::Exchanged(_) | Event::Warning(_) => {}
            Event::RunFinished(summary) => self.ended(summary),
        }
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
